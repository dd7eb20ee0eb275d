"""What a step's container leaves for others: the splits of a foreach and the choice of a switch for the pipeline, and
the reason of a failure for whoever asks for its status.
"""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

# Kubernetes makes this file in every container and shows its text as the reason why the container ended. It takes 4096
# bytes.
TERMINATION_LOG = Path("/dev/termination-log")
_TERMINATION_BYTES = 2048


@dataclass(frozen=True)
class Failure:
    """Why the task did not end well, and the exit code that says so."""

    code: int
    reason: str


def write_splits(file: Path, count: int) -> None:
    """Write the indices of a foreach's splits as the pipeline's loop reads them: a JSON list of strings."""
    _write(file, json.dumps([str(index) for index in range(count)], separators=(",", ":")))


def write_choice(file: Path, step: str) -> None:
    """Write the name of the step that a switch chose, as the pipeline's conditions read it."""
    _write(file, step)


def report(failure: Failure) -> int:
    """Say the reason in the container's log, as its last line, and to Kubernetes. Gives the exit code."""
    print(failure.reason, file=sys.stderr, flush=True)
    _leave(failure.reason)
    return failure.code


def report_crash(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """As sys.excepthook: what nobody foresaw is shown whole in the container's log, and its last line is left to
    Kubernetes.
    """
    sys.__excepthook__(kind, error, trace)
    _leave(f"{kind.__name__}: {error}")


def _leave(reason: str) -> None:
    if TERMINATION_LOG.exists():
        TERMINATION_LOG.write_bytes(reason.encode()[:_TERMINATION_BYTES])


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
