"""Processes of the backend on one database, and clients that follow what changes through whichever of them lives."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import httpx
import websocket
from metadata_testbed.service import environment, free_port
from metadata_testbed.waiting import eventually

WAIT = 120
"""Seconds, on a machine that does much else."""


class Replica:
    """A process of the backend, which may be ended and started again at its port."""

    def __init__(self, log: Path, database: str | Path, **settings: str) -> None:
        self.port = free_port()
        self._log = log
        self._settings = {
            "MF_UI_METADATA_HOST": "127.0.0.1",
            "MF_UI_METADATA_PORT": str(self.port),
            "MF_METADATA_DB_FILE" if isinstance(database, Path) else "MF_METADATA_DB_DSN": str(database),
            **settings,
        }
        self._sockets: list[websocket.WebSocket] = []
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/api"

    def start(self) -> None:
        with self._log.open("ab") as output:
            command = [sys.executable, "-m", "ui_backend", "serve"]
            self.process = subprocess.Popen(
                command, env=environment(**self._settings), stdout=output, stderr=subprocess.STDOUT
            )

    def wait_until_ready(self) -> None:
        def look() -> str | None:
            assert self.process.poll() is None, self._log.read_text()
            try:
                got = httpx.get(f"{self.url}/readyz", timeout=WAIT).status_code
            except httpx.TransportError as error:
                return str(error)
            return None if got == 200 else f"readyz: {got}"

        eventually(look, within=WAIT)

    def kill(self) -> None:
        """End it as a crash does."""
        self.process.kill()
        self.process.wait()

    def end(self) -> int:
        """Ask it to end; gives its exit code."""
        self.process.terminate()
        return self.process.wait(WAIT)

    def log_lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self._log.read_text().splitlines()]

    def connect(self, path: str, **options: Any) -> websocket.WebSocket:
        """A socket, which `disconnect` closes."""
        # Made here, because the library does not close one that nobody answers.
        plain = socket.create_connection(("127.0.0.1", self.port), WAIT)
        try:
            made = websocket.create_connection(
                f"ws://127.0.0.1:{self.port}/api{path}", timeout=WAIT, socket=plain, **options
            )
        except (OSError, websocket.WebSocketException):
            plain.close()
            raise
        self._sockets.append(made)
        return made

    def disconnect(self) -> None:
        for made in self._sockets:
            hang_up(made)


def hang_up(made: websocket.WebSocket) -> None:
    """Close it, also the file of one that the other side has closed."""
    made.close()
    if made.sock is not None:
        made.sock.close()


class Mirror:
    """What a page knows of all runs and their tasks, by what it is told. `seen` is held under the lock."""

    def __init__(self, replicas: list[Replica]) -> None:
        self._replicas = replicas
        self._ended = threading.Event()
        self.lock = threading.Lock()
        self.seen: dict[tuple[str, int], Any] = {}
        self.resets = 0
        """How often it was told to look at everything again. Its first look, of one try or several, is its own."""
        self.connections = 0
        self._cursor = ""
        self._thread = threading.Thread(target=self._follow)
        self._thread.start()

    def end(self) -> None:
        self._ended.set()
        self._thread.join()

    def _follow(self) -> None:
        place = 0
        while not self._ended.is_set():
            replica = self._replicas[place % len(self._replicas)]
            place += 1
            try:
                self._listen(replica)
            except (OSError, websocket.WebSocketException, httpx.TransportError):
                # The next one goes on from the same cursor.
                self._ended.wait(0.05)

    def _listen(self, replica: Replica) -> None:
        followed = replica.connect(f"/changes?since={self._cursor}")
        self.connections += 1
        try:
            followed.settimeout(1)
            with httpx.Client(base_url=replica.url, timeout=WAIT) as http:
                while not self._ended.is_set():
                    try:
                        text = followed.recv()
                    except websocket.WebSocketTimeoutException:
                        continue
                    if not text:
                        return
                    self._take(json.loads(text), http)
        finally:
            hang_up(followed)

    def _take(self, message: dict[str, Any], http: httpx.Client) -> None:
        if message.get("reset"):
            self.resets += 1
        if message.get("reset") or not self._cursor:
            everything = fetch_all(http)
            with self.lock:
                self.seen = everything
        changed = {(one["flow_id"], one["run_number"]) for one in message.get("changes", []) if one["run_number"]}
        for flow, number in changed:
            run = fetch_run(http, flow, number)
            with self.lock:
                if run is None:
                    self.seen.pop((flow, number), None)
                else:
                    self.seen[flow, number] = run
        # Only what was taken in is known: had the requests failed, the same would be told again.
        self._cursor = message["cursor"]


def fetch_all(http: httpx.Client) -> dict[tuple[str, int], Any]:
    """All runs with their tasks, as a GET shows them."""
    found, page = {}, 1
    while True:
        answer = http.get("/runs", params={"_limit": "1000", "_page": str(page)})
        if answer.status_code != 200:
            raise httpx.TransportError(answer.text)
        body = answer.json()
        for run in body["data"]:
            key = run["flow_id"], run["run_number"]
            shown = fetch_run(http, *key)
            if shown is not None:
                found[key] = shown
        if body["pages"]["next"] is None:
            return found
        page += 1


def fetch_run(http: httpx.Client, flow: str, number: int) -> Any:
    """A run with its tasks, without what changes with the time alone; None when it is not there."""
    run = http.get(f"/flows/{flow}/runs/{number}")
    tasks = http.get(f"/flows/{flow}/runs/{number}/tasks", params={"_limit": "1000", "_order": "+task_id,+attempt_id"})
    if 404 in (run.status_code, tasks.status_code):
        return None
    if run.status_code != 200 or tasks.status_code != 200:
        raise httpx.TransportError(run.text)
    return _lasting(run.json()["data"]), [_lasting(task) for task in tasks.json()["data"]]


def _lasting(record: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in record.items() if name not in ("duration", "last_heartbeat_ts")}
