"""Runs the tools of a build, with their output in a log file and one clear sentence when they fail."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from image_builder.errors import BuildFailed, Refused


def run(
    argv: Sequence[str], *, purpose: str, log: Path, environment: Mapping[str, str] | None = None, attempts: int = 1
) -> None:
    """Run a command with its output in log. A command that reaches a network may be given more attempts.

    Raises BuildFailed with the purpose, the last line of output and the path of the log.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    for _ in range(attempts):
        with log.open("w") as output:
            done = subprocess.run(
                argv, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, env=environment, check=False
            )
        if done.returncode == 0:
            return
    raise BuildFailed(f"{purpose}: {argv[0]} failed ({_last_line(log)}). Look at {log}.")


def answer(argv: Sequence[str], *, environment: Mapping[str, str] | None = None) -> str | None:
    """What a command prints, or None when it fails or is not there: for questions that may be answered with no."""
    if find(argv[0], environment) is None:
        return None
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, env=environment, check=False)
    return done.stdout if done.returncode == 0 else None


def find(program: str, environment: Mapping[str, str] | None = None) -> str | None:
    """The path of a program, by the PATH of the environment it will be started with."""
    return shutil.which(program, path=(environment or os.environ).get("PATH"))


def need(program: str, why: str, environment: Mapping[str, str] | None = None) -> None:
    """Raises Refused when a program is not on PATH."""
    if find(program, environment) is None:
        raise Refused([f"{program}: not on PATH, and {why}. Install it."])


def _last_line(log: Path) -> str:
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1][:200] if lines else "it printed nothing"
