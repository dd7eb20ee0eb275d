"""Runs other programs. Each leaves its words and its output in a log file."""

from __future__ import annotations

import shlex
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from cluster.errors import Failed

# Before the second attempt; the third waits twice as long.
PAUSE = 2.0


class CommandFailed(Failed):
    """A program ended with another code than 0, or did not end in time. `output` is what it said."""

    def __init__(self, message: str, output: str) -> None:
        super().__init__(message)
        self.output = output


def run(
    argv: Sequence[str],
    *,
    log: Path,
    environment: Mapping[str, str] | None = None,
    text: str | None = None,
    attempts: int = 1,
    timeout: float = 1800,
) -> str:
    """Run a program to its end and give its standard output; text goes to its standard input.

    Raises CommandFailed after the last attempt.
    """
    for attempt in range(1, attempts + 1):
        try:
            return _once(argv, log, environment, text, timeout)
        except CommandFailed:
            if attempt == attempts:
                raise
            time.sleep(PAUSE * attempt)
    raise AssertionError("unreachable: attempts is at least 1")


def try_run(argv: Sequence[str], *, environment: Mapping[str, str] | None = None, timeout: float = 60) -> str | None:
    """Give the standard output of a question, or None where the program says no, hangs or is missing."""
    try:
        done = subprocess.run(
            argv,
            env=environment,
            capture_output=True,
            text=True,
            timeout=timeout,
            stdin=subprocess.DEVNULL,
            check=False,
        )
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def _once(
    argv: Sequence[str], log: Path, environment: Mapping[str, str] | None, text: str | None, timeout: float
) -> str:
    log.parent.mkdir(parents=True, exist_ok=True)
    name = Path(argv[0]).name
    with log.open("a") as file:
        file.write(f"$ {shlex.join(argv)}\n")
        file.flush()
        try:
            done = subprocess.run(
                argv, env=environment, input=text, stdout=subprocess.PIPE, stderr=file, text=True, timeout=timeout,
                stdin=subprocess.DEVNULL if text is None else None, check=False,
            )  # fmt: skip
        except FileNotFoundError:
            raise CommandFailed(f"{name} is not on PATH. Install it.", "") from None
        except subprocess.TimeoutExpired:
            raise CommandFailed(f"{name} did not end within {timeout:.0f} s. Look at {log}.", "") from None
        file.write(done.stdout)
    if done.returncode != 0:
        raise CommandFailed(f"{name} ended with code {done.returncode}. Look at {log}.", done.stdout)
    return done.stdout
