"""Long work in named stages, each with its time on the screen; a failed one says where to look."""

from __future__ import annotations

import io
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path


class StageFailed(Exception):
    """A stage's command failed and has already said why; code is what the whole should exit with."""

    def __init__(self, stage: str, code: int) -> None:
        super().__init__(stage)
        self.stage = stage
        self.code = code


@contextmanager
def stage(name: str) -> Iterator[None]:
    """Print the stage's name before and its seconds after it."""
    print(f"\n==> {name}", flush=True)
    began = time.monotonic()
    yield
    print(f"==> {name}: {time.monotonic() - began:.0f} s", flush=True)


def command(
    name: str,
    argv: Sequence[str],
    *,
    folder: Path | None = None,
    also: Mapping[str, str] | None = None,
    log: Path | None,
    log_stays: bool = True,
) -> None:
    """Run argv with its output on the screen, and in the file log where one is given; named at a failure if it stays.

    Raises StageFailed with the command's own exit code when that is 2 (the user's mistake), and with 1 otherwise.
    """
    if log is not None:
        log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w") if log is not None else io.StringIO() as written:
        print(f"$ {shlex.join(argv)}", file=written, flush=True)
        with subprocess.Popen(
            argv,
            cwd=folder,
            env=os.environ | dict(also or {}),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        ) as running:
            assert running.stdout is not None
            for line in running.stdout:
                written.write(line)
                sys.stdout.write(line)
                sys.stdout.flush()
            code = running.wait()
    if code:
        print(f"{name}: failed.{f' The whole output is in {log}.' if log and log_stays else ''}", file=sys.stderr)
        raise StageFailed(name, 2 if code == 2 else 1)
