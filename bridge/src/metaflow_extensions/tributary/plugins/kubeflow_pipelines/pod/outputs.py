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

TOLD_TO_STOP = "the pod was told to stop"
"""The reason of a failure by SIGTERM."""


@dataclass(frozen=True)
class Failure:
    """Why the task did not end well, the exit code that says so, and whether it has a retry left."""

    code: int
    reason: str
    again: bool = False


@dataclass(frozen=True)
class Batches:
    """Into how many ranges splits are divided at most, and how many splits each of them has at least, if there are
    as many.
    """

    most: int
    splits: int = 1

    def items(self, count: int) -> list[str]:
        """The splits as items of the pipeline's loop, each for one pod: "0:3", "3:6", "6"."""
        size = max(self.splits, -(-count // self.most))
        return [_range(first, min(first + size, count)) for first in range(0, count, size)]


_ONE_A_POD = Batches(most=sys.maxsize)


def write_splits(file: Path, count: int, batches: Batches | None) -> None:
    """Write the indices of a foreach's splits as the pipeline's loop reads them: a JSON list of strings. Without
    batches, each split has an item of its own.
    """
    _write(file, json.dumps((batches or _ONE_A_POD).items(count), separators=(",", ":")))


def write_choice(file: Path, step: str) -> None:
    """Write the name of the step that a switch chose, as the pipeline's conditions read it."""
    _write(file, step)


def _range(first: int, end: int) -> str:
    return str(first) if end == first + 1 else f"{first}:{end}"


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
