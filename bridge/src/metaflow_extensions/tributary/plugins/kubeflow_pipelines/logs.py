"""What the tasks of a run wrote, out of the flow's datastore: Metaflow's own stored logs."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from metaflow import metaflow_config
from metaflow.datastore import TaskDataStore
from metaflow.mflog import LOG_SOURCES, TASK_LOG_SOURCE
from metaflow.mflog.mflog import merge_logs, utc_to_local

from .pod.ids import PARAMETERS_STEP, gang, task_id
from .refusals import Refused

_PLACE = re.compile(r"(?P<step>\w+)(?P<path>(/\d+)*)(-r(?P<round>\d+))?")

# What pod/ids.py makes.
_TASK = re.compile(r"((?P<role>control|worker)-)?t-(?P<step>\w+)(?P<path>(-\d+)*)(-r(?P<round>\d+))?")


@dataclass(frozen=True)
class Line:
    """One line of a stream, and when it was written, in local time."""

    written: datetime
    text: str


@dataclass(frozen=True)
class Place:
    """Tasks of a step: all of them, or those below some indexes of the foreaches around it, or of one round."""

    step: str
    path: tuple[int, ...] = ()
    round: int | None = None

    @classmethod
    def parse(cls, text: str) -> "Place":
        """STEP[/INDEX...][-rROUND]. Refused when it is of another form."""
        found = _PLACE.fullmatch(text.strip("/"))
        if found is None:
            raise Refused(
                f"place {text!r}: is not of the form STEP/INDEX/INDEX-rROUND. "
                "Write a step, the numbers of its splits and the number of its round, each where it has one: train/3/0."
            )
        path = tuple(int(index) for index in found["path"].split("/") if index)
        return cls(found["step"], path, None if found["round"] is None else int(found["round"]))

    def holds(self, step: str, path: Sequence[int], round: int | None = None) -> bool:
        """Whether a task of this step and index path is meant; of a step that follows itself, of this round, or of any
        round when none is given.
        """
        is_round = round is None or self.round in (None, round)
        return step == self.step and tuple(path[: len(self.path)]) == self.path and is_round


class TaskLogs:
    """The logs of one task, in the attempt that counts or in the one asked for."""

    def __init__(self, task: Any, attempt: int | None) -> None:
        self.step: str = task.step_name
        self.task: str = task.task_id
        self.pathspec: str = task.pathspec
        self.path, self.round, self.node = _parts(task.task_id)
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
    flow_datastore: Any,
    run_id: str,
    order: Sequence[str],
    place: Place | None,
    attempt: int | None,
    failed: Iterable[tuple[str, tuple[int, ...]]] = (),
) -> list[TaskLogs]:
    """The tasks of the run that have begun, in the order of their steps and then of their indexes.

    Those among `failed`, by step and indexes, that Metaflow never began are there too when the runner has stored logs:
    what fails before that, an import of the flow's file or the making of an environment, leaves nothing else.
    """
    steps = None if place is None else [place.step]
    found = flow_datastore.get_task_datastores(run_id, steps=steps, allow_not_done=True)
    begun = [TaskLogs(task, attempt) for task in found if task.step_name != PARAMETERS_STEP]
    known = {(task.step, task.path) for task in begun}
    unbegun = [each for each in failed if each not in known and (place is None or place.holds(*each))]
    shown = [*begun, *(logs for each in unbegun for logs in _unbegun(flow_datastore, run_id, *each, attempt))]
    wanted = [task for task in shown if place is None or place.holds(task.step, task.path, task.round)]
    return sorted(wanted, key=lambda task: _rank(task, order))


def _unbegun(
    flow_datastore: Any, run_id: str, step: str, path: tuple[int, ...], attempt: int | None
) -> Iterator[TaskLogs]:
    """A task's logs without the attempt's file that Metaflow writes when it begins; of a gang, node 0's."""
    asked = range(metaflow_config.MAX_ATTEMPTS) if attempt is None else [attempt]
    for task in (task_id(step, path), *gang(step, path, 1)):
        stored = flow_datastore.get_task_datastore(run_id, step, task, attempt=asked[0], allow_not_done=True)
        for each in reversed(asked):
            name = TaskDataStore.metadata_name_for_attempt(f"{TASK_LOG_SOURCE}_stderr.log", each)
            if stored.has_metadata(name, add_attempt=False):
                yield TaskLogs(stored, each)
                break


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


def _parts(task: str) -> tuple[tuple[int, ...], int, int]:
    """The index path, the round and, of a gang's task, the number of the node; by the task's id."""
    found = _TASK.fullmatch(task)
    if found is None:
        return (), 0, 0
    path = tuple(int(index) for index in found["path"].split("-") if index)
    round = int(found["round"] or 0)
    match found["role"]:
        case "worker":
            return path[:-1], round, 1 + path[-1]
        case "control":
            return path[:-1], round, 0
        case _:
            return path, round, 0


def _rank(task: TaskLogs, order: Sequence[str]) -> tuple[int, str, tuple[int, ...], int, int]:
    """By the flow's order of steps, and then by numbers."""
    position = order.index(task.step) if task.step in order else len(order)
    return position, task.step, task.path, task.round, task.node
