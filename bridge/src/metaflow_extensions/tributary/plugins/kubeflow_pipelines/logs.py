"""What the tasks of a run wrote, out of the flow's datastore: Metaflow's own stored logs."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from metaflow import metaflow_config
from metaflow.datastore import TaskDataStore
from metaflow.mflog import LOG_SOURCES, TASK_LOG_SOURCE
from metaflow.mflog.mflog import merge_logs, utc_to_local

from .pod.ids import PARAMETERS_STEP
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
        return _lines(self.stored(stream).values())

    def stored(self, stream: str) -> dict[str, bytes]:
        """The logs of a stream as they are stored by now, by who wrote them."""
        return dict(self._task.load_logs(LOG_SOURCES, stream, attempt_override=self._attempt))

    @property
    def attempt(self) -> int:
        """The attempt whose lines these are."""
        return self._task.attempt if self._attempt is None else self._attempt

    @property
    def was_asked_for(self) -> bool:
        """Whether this attempt is the one that was asked for, and not the one that counts."""
        return self._attempt is not None

    def of(self, attempt: int) -> "TaskLogs":
        """Another attempt of the task."""
        return TaskLogs(self._task, attempt)


def tasks(
    flow_datastore: Any,
    run_id: str,
    order: Sequence[str],
    place: Place | None,
    attempt: int | None,
    failed: Iterable[tuple[str, tuple[int, ...]]] = (),
) -> list[TaskLogs]:
    """The tasks of the run that have begun, in the order of their steps and then of their indexes.

    What fails before Metaflow begins, an import of the flow's file or the making of an environment, leaves nothing but
    the logs that the runner stored. So of those among `failed`, by step and indexes, what Metaflow never began is shown
    too: a task, a round of it or a node of its gang, and in place of the last attempt that began one behind it.
    """
    steps = None if place is None else [place.step]
    found = flow_datastore.get_task_datastores(run_id, steps=steps, allow_not_done=True)
    shown = {
        (task.step_name, task.task_id): TaskLogs(task, attempt) for task in found if task.step_name != PARAMETERS_STEP
    }
    asked = {each for each in failed if place is None or place.holds(*each)}
    shown |= {
        (step, task): TaskLogs(_logs_alone(flow_datastore, run_id, step, task, last), attempt)
        for (step, task), last in _unbegun(flow_datastore, run_id, asked, shown, attempt).items()
    }
    wanted = [task for task in shown.values() if place is None or place.holds(task.step, task.path, task.round)]
    return sorted(wanted, key=lambda task: _rank(task, order))


def _unbegun(
    flow_datastore: Any,
    run_id: str,
    failed: Collection[tuple[str, tuple[int, ...]]],
    begun: Mapping[tuple[str, str], TaskLogs],
    attempt: int | None,
) -> dict[tuple[str, str], int]:
    """The last attempt, or the one asked for, that left logs and never began; by step and id of the tasks that have one
    behind all that began. A listing names the rounds and the nodes, and then all files are asked for at once.
    """
    if not failed:
        return {}
    storage = flow_datastore._storage_impl
    folders = [
        storage.path_join(flow_datastore.flow_name, run_id, step) for step in sorted({step for step, _ in failed})
    ]
    rounds: dict[tuple[str, tuple[int, ...]], int] = {}
    for task in begun.values():
        rounds[task.step, task.path] = max(task.round, rounds.get((task.step, task.path), 0))
    files: dict[str, tuple[str, str, int]] = {}
    for listed in storage.list_content(folders):
        # S3 names a folder with a slash behind it.
        folder = listed.path.rstrip("/")
        step, task_id = storage.path_split(folder)[-2:]
        path, round, _ = _parts(task_id)
        # A round in front of one that began has ended well.
        if (step, path) in failed and round >= rounds.get((step, path), 0):
            for each in _attempts_to_ask(begun.get((step, task_id)), attempt):
                name = TaskDataStore.metadata_name_for_attempt(f"{TASK_LOG_SOURCE}_stderr.log", each)
                files[storage.path_join(folder, name)] = step, task_id, each
    there = storage.is_file(list(files)) if files else []
    # In the order of the attempts, so that the last one stays.
    return {(step, task): each for (step, task, each), stored in zip(files.values(), there, strict=True) if stored}


def _attempts_to_ask(begun: TaskLogs | None, attempt: int | None) -> Sequence[int]:
    """The attempts of a task that may have left logs and are not among what began."""
    if attempt is not None:
        return [attempt] if begun is None else []
    return range(0 if begun is None else begun.attempt + 1, metaflow_config.MAX_ATTEMPTS)


def _logs_alone(flow_datastore: Any, run_id: str, step: str, task: str, attempt: int) -> Any:
    """A task without its artifacts: Metaflow would look for each attempt that may have begun, one after the other."""
    return flow_datastore.get_task_datastore(run_id, step, task, attempt=attempt, data_metadata={}, allow_not_done=True)


@dataclass
class _Given:
    """What was given of a task: the last attempt, and of its streams, by who wrote them, how many bytes and their hash.

    A count of lines would not do: they are given by their time, and behind a clock that stepped back a new line stands
    in front of older ones. The stored bytes only grow, unless another pod makes the same attempt again.
    """

    attempt: int
    parts: dict[tuple[str, str], tuple[int, int]] = field(default_factory=dict)

    def new(self, task: TaskLogs, stream: str) -> list[Line]:
        """The lines of the attempt that were not given yet."""
        added = []
        for source, stored in task.stored(stream).items():
            size, known = self.parts.get((stream, source), (0, hash(b"")))
            added.append(stored[size:] if hash(stored[:size]) == known else stored)
            # A log that cannot be found for once has not begun anew.
            if stored:
                self.parts[stream, source] = len(stored), hash(stored)
        return _lines(added)


class Follower:
    """Gives every line once, however often the logs are read."""

    def __init__(self, streams: Iterable[str]) -> None:
        self._streams = tuple(streams)
        self._given: dict[str, _Given] = {}
        self._has_looked = False

    def new(self, found: Iterable[TaskLogs]) -> Iterator[tuple[TaskLogs, Line]]:
        """The lines that were stored since the last call, each with its task.

        An attempt may end, and others begin, between two calls: those from the last one given up to the present are
        read. Of what began before the first call only the present ones are.
        """
        had_looked, self._has_looked = self._has_looked, True
        for task in found:
            is_alone = task.was_asked_for or not had_looked
            given = self._given.setdefault(task.pathspec, _Given(task.attempt if is_alone else 0))
            # The attempt that counts may be one in front of those given, that never began.
            for attempt in range(given.attempt, max(given.attempt, task.attempt) + 1):
                if attempt != given.attempt:
                    given = self._given[task.pathspec] = _Given(attempt)
                one = task.of(attempt)
                for stream in self._streams:
                    yield from ((one, line) for line in given.new(one, stream))


def _lines(logs: Iterable[bytes]) -> list[Line]:
    """The lines of logs in Metaflow's form, by the time at which they were written."""
    return [
        Line(utc_to_local(line.utc_tstamp), line.msg.decode(errors="replace").rstrip("\n"))
        for line in merge_logs(list(logs))
    ]


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
