"""The backend as a process, and the time it says that each of its answers has taken."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
from metadata_testbed.service import environment, free_port
from metadata_testbed.waiting import eventually

WAIT = 600
"""Seconds that anything may take on a machine that does much else; what it takes is measured."""


class Backend:
    """One process of the UI, on the loopback."""

    def __init__(self, log: Path, settings: dict[str, str]) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.http = httpx.Client(base_url=f"{self.url}/api", timeout=WAIT, headers={"X-Tributary-Page": "1"})
        self._log = log
        own = {"MF_UI_METADATA_HOST": "127.0.0.1", "MF_UI_METADATA_PORT": str(self.port)}
        self._environment = environment(**settings, **own)
        self.start()

    def start(self) -> float:
        """Start it; gives the seconds until the database answers through it."""
        began = time.perf_counter()
        with self._log.open("ab") as output:
            command = [sys.executable, "-m", "ui_backend", "serve"]
            self.process = subprocess.Popen(command, env=self._environment, stdout=output, stderr=subprocess.STDOUT)

        def look() -> str | None:
            if self.process.poll() is not None:
                return f"the backend has ended: {self._log.read_text()[-2000:]}"
            try:
                got = self.http.get("/readyz").status_code
            except httpx.TransportError as error:
                return str(error)
            return None if got == 200 else f"readyz: {got}"

        eventually(look, within=WAIT)
        return time.perf_counter() - began

    def get(self, path: str, query: dict[str, str] | None = None) -> Any:
        """The data of an answer. Raises httpx.HTTPStatusError."""
        return self.http.get(path, params=query).raise_for_status().json()["data"]

    def milliseconds(self, path: str, query: dict[str, str], times: int) -> list[float]:
        """How long the backend itself says that a question has taken, each time."""
        wanted = [self.http.get(path, params=query).raise_for_status().headers["X-Request-ID"] for _ in range(times)]

        def look() -> str | None:
            missing = set(wanted) - self._logged().keys()
            return f"the log lacks {missing}" if missing else None

        # A line is written when the answer is already with the client.
        eventually(look, within=60)
        logged = self._logged()
        return [logged[one] for one in wanted]

    def _logged(self) -> dict[str, float]:
        lines = map(json.loads, self._log.read_text().rpartition("\n")[0].splitlines())
        return {line["request_id"]: line["ms"] for line in lines if "ms" in line}

    def resident_mib(self) -> float:
        """The memory that the process holds now."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmRSS:"))

    def end(self) -> float:
        """Ask it to end; gives the seconds until it has."""
        began = time.perf_counter()
        self.process.terminate()
        self.process.wait(WAIT)
        return time.perf_counter() - began
