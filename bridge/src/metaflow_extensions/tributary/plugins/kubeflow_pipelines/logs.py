"""What the tasks of a run wrote, out of the flow's datastore: Metaflow's own stored logs."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from metaflow.mflog import LOG_SOURCES
from metaflow.mflog.mflog import merge_logs, utc_to_local

from .pod.ids import PARAMETERS_STEP, task_id
from .refusals import Refused


@dataclass(frozen=True)
class Line:
    """One line of a stream, and when it was written, in local time."""

    written: datetime
    text: str


@dataclass(frozen=True)
class Place:
    """Tasks of a step: all of them, or those below some indexes of the foreaches around it."""

    step: str
    path: tuple[int, ...] = ()

    @classmethod
    def parse(cls, text: str) -> "Place":
        """STEP[/INDEX...]. Refused when an index is no number."""
        step, *indexes = text.strip("/").split("/")
        if not all(index.isdecimal() for index in indexes):
            raise Refused(f"place {text!r}: an index is no number. Write STEP or STEP/INDEX/INDEX, as train/3/0.")
        return cls(step, tuple(map(int, indexes)))

    def holds(self, step: str, path: Sequence[int]) -> bool:
        """Whether a task of this step and index path is meant."""
        return step == self.step and tuple(path[: len(self.path)]) == self.path


class TaskLogs:
    """The logs of one task, in the attempt that counts or in the one asked for."""

    def __init__(self, task: Any, attempt: int | None) -> None:
        self.step: str = task.step_name
        self.task: str = task.task_id
        self.pathspec: str = task.pathspec
        self._task = task
        self._attempt = attempt

    def lines(self, stream: str) -> list[Line]:
        """All lines of "stdout" or "stderr" that are stored by now."""
        stored = self._task.load_logs(LOG_SOURCES, stream, attempt_override=self._attempt)
        return [
            Line(utc_to_local(line.utc_tstamp), line.msg.decode(errors="replace").rstrip("\n"))
            for line in merge_logs([blob for _, blob in stored])
        ]

    @property
    def attempt(self) -> int:
        """The attempt whose lines these are."""
        return self._task.attempt if self._attempt is None else self._attempt


def tasks(
    flow_datastore: Any, run_id: str, order: Sequence[str], place: Place | None, attempt: int | None
) -> list[TaskLogs]:
    """The tasks of the run that have begun, in the order of their steps and then of their indexes."""
    steps = None if place is None else [place.step]
    found = flow_datastore.get_task_datastores(run_id, steps=steps, allow_not_done=True)
    wanted = [task for task in found if task.step_name != PARAMETERS_STEP and _is_of(place, task.task_id)]
    return [TaskLogs(task, attempt) for task in sorted(wanted, key=lambda task: _rank(task, order))]


class Follower:
    """Gives every line once, however often the logs are read."""

    def __init__(self, streams: Iterable[str]) -> None:
        self._streams = tuple(streams)
        self._given: dict[tuple[str, int, str], int] = {}

    def new(self, found: Iterable[TaskLogs]) -> Iterator[tuple[TaskLogs, Line]]:
        """The lines that were stored since the last call, each with its task."""
        for task in found:
            for stream in self._streams:
                key = (task.pathspec, task.attempt, stream)
                lines = task.lines(stream)
                yield from ((task, line) for line in lines[self._given.get(key, 0) :])
                self._given[key] = len(lines)


def _is_of(place: Place | None, task: str) -> bool:
    if place is None:
        return True
    wanted = task_id(place.step, place.path)
    return task == wanted or task.startswith(f"{wanted}-")


def _rank(task: Any, order: Sequence[str]) -> tuple[int, str, list[tuple[int, str]]]:
    """By the flow's order of steps; indexes count as numbers."""
    position = order.index(task.step_name) if task.step_name in order else len(order)
    words = task.task_id.split("-")
    return position, task.step_name, [(int(word) if word.isdecimal() else -1, word) for word in words]
