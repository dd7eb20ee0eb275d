"""A running service: the program as a user starts it, in a process of its own."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import random
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

from metadata_testbed.waiting import eventually

# Above those that the clusters of the tests take, and below those that the system gives to outgoing connections.
_FIRST_PORT = 25_000
_BLOCK, _BLOCKS = 500, 10


def _ports() -> Iterator[int]:
    """Those of this process's block, round and round, from any place: two suites at once may have the same block."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "").removeprefix("gw") or 0)
    first = _FIRST_PORT + worker % _BLOCKS * _BLOCK
    for number in itertools.count(random.randrange(_BLOCK)):
        yield first + number % _BLOCK


_numbers = _ports()


def free_port() -> int:
    """A port of the loopback that is free now, and that nobody else is likely to take before it is listened on.

    The system would give one that it may give, a moment later, to another process or to an outgoing connection. So it
    is one of a block that belongs to this worker of pytest, and all others of the block come before it is given again.
    """
    for port in itertools.islice(_numbers, _BLOCK):
        with socket.socket() as listener, contextlib.suppress(OSError):
            listener.bind(("127.0.0.1", port))
            return port
    raise RuntimeError(f"all {_BLOCK} ports are taken")


def environment(**settings: str) -> dict[str, str]:
    """This process's environment without any settings of the service, and with those given."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MF_METADATA_")}
    return {**kept, **settings}


def run_command(command: str, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run a command of the service to its end."""
    return subprocess.run(
        [sys.executable, "-m", "metadata_service", command, *arguments],
        env=environment(**settings),
        capture_output=True,
        text=True,
        # Migrations of 100,000 runs, on a machine that does other things too.
        timeout=900,
    )


class Service:
    """One process of the service, on a connection string of PostgreSQL or on a file of SQLite.

    It logs into `log`, and listens on the port or on one that is free.
    """

    def __init__(self, log: Path, database: str | Path, port: int = 0, **settings: str) -> None:
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._log = log
        settings = {
            "MF_METADATA_HOST": "127.0.0.1",
            "MF_METADATA_PORT": str(self.port),
            "MF_METADATA_DB_FILE" if isinstance(database, Path) else "MF_METADATA_DB_DSN": str(database),
            **settings,
        }
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "metadata_service", "serve"],
                env=environment(**settings),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )

    def wait_until(self, path: str = "/readyz", status: int = 200, within: float = 120) -> None:
        """Return when the path is answered with the status."""

        def look() -> str | None:
            if (code := self.process.poll()) is not None:
                return f"the service ended with {code}: {self.log_text()}"
            try:
                got = httpx.get(self.url + path, timeout=30).status_code
            except httpx.TransportError as error:
                return f"{path}: {error}"
            return None if got == status else f"{path}: {got} in place of {status}"

        eventually(look, within=within)

    def log_text(self) -> str:
        return self._log.read_text()

    def wait_for_log(self, text: str, within: float = 120) -> None:
        """Return when the text is in the log. For what the service does by itself and not for a request: /readyz, for
        one, is answered with 503 already before the database was tried.
        """
        eventually(lambda: None if text in self.log_text() else f"no {text!r} in {self.log_text()}", within=within)

    def log_lines(self) -> list[dict[str, Any]]:
        """The log, a line an object; not the line that is being written. Raises ValueError when a line is no JSON."""
        return [json.loads(line) for line in self.log_text().rpartition("\n")[0].splitlines()]

    def logged(self, request_id: str) -> list[dict[str, Any]]:
        """The lines of a request, once there is one: it is written when the answer is already with the client."""

        def look() -> str | None:
            return None if found() else f"no line of {request_id}: {self.log_text()}"

        def found() -> list[dict[str, Any]]:
            return [line for line in self.log_lines() if line.get("request_id") == request_id]

        eventually(look, within=20)
        return found()

    def resident_kib(self) -> int:
        """The memory that the process holds now."""
        return self._memory("VmRSS")

    def most_resident_kib(self) -> int:
        """The most memory that the process has held so far."""
        return self._memory("VmHWM")

    def cpu_seconds(self) -> float:
        """The time that the process has worked so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def _memory(self, name: str) -> int:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith(f"{name}:"))

    def ask_to_end(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it as a crash does."""
        self.process.kill()
        self.process.wait()

    def end(self) -> int:
        """Ask it to end and wait; gives its exit code."""
        self.ask_to_end()
        return self.process.wait(60)
