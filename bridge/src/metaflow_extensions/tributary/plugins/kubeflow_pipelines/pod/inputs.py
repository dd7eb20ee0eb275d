"""Which tasks a task reads from: the flow's graph walked backwards.

Where a switch stands in the way, the graph alone does not say which of the steps before a task did run. The tasks that
did say it themselves: each has stored where it went on to.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from ..record import StepRecord

Path = tuple[int, ...]


@dataclass(frozen=True)
class TaskPlace:
    """A task by its place in the flow: its step, one index for each foreach around it, outermost first, and its round
    where the step may follow itself.
    """

    step: str
    path: Path
    round: int = 0


class Trail(Protocol):
    """What the tasks that ran have stored."""

    def splits(self, step: str, path: Path) -> int:
        """The number of splits that a foreach step's task at an index path made."""

    def went_on_to(self, places: Sequence[TaskPlace]) -> Sequence[Sequence[str]]:
        """For each of the tasks the steps that it went on to; none for a task that did not end well."""

    def last_round(self, step: str, path: Path) -> int:
        """The last round that began of a step that follows itself; 0 when none did."""


def inputs(steps: Mapping[str, StepRecord], task: TaskPlace, trail: Trail) -> list[TaskPlace]:
    """The tasks whose artifacts the task starts from, in the order in which `inputs` of a join has them: by split, and
    then by the steps' names.

    The first step of a flow has none. The trail is asked only where the graph leaves a doubt.
    """
    if task.round:
        return [replace(task, round=task.round - 1)]
    step = steps[task.step]
    paths = [task.path]
    if joined := joined_foreaches(steps, task.step):
        paths = [(*task.path, index) for index in range(trail.splits(_ran(joined, task, trail), task.path))]
    found = [
        _last(steps, TaskPlace(name, path[: len(steps[name].foreach_parents)]), trail)
        for path in paths
        for name in step.in_funcs
    ]
    if len(step.in_funcs) == _ways(steps, step):
        return found
    return [place for place, next in zip(found, trail.went_on_to(found), strict=True) if task.step in next]


def split_index(steps: Mapping[str, StepRecord], task: TaskPlace) -> int | None:
    """The index that Metaflow wants for the first step of a foreach's body; None for every other step."""
    first_in_body = any(steps[name].kind == "foreach" for name in steps[task.step].in_funcs)
    return task.path[-1] if first_in_body and task.round == 0 else None


def joined_foreaches(steps: Mapping[str, StepRecord], name: str) -> list[str]:
    """The foreach steps whose splits the step joins; several where a switch chooses among them."""
    step = steps[name]
    if step.kind != "join" or steps[step.split_parents[-1]].kind != "foreach":
        return []
    return [each for each, record in steps.items() if record.kind == "foreach" and record.matching_join == name]


def recursive(steps: Mapping[str, StepRecord], name: str) -> bool:
    """Whether the step may follow itself."""
    return name in steps[name].out_funcs


class WrongPath(ValueError):
    """A task was given other indices than its step has foreaches around it."""


def check_path(steps: Mapping[str, StepRecord], name: str, path: Sequence[int]) -> TaskPlace:
    """The task's place; WrongPath when the number of indices is not that of the foreaches around the step."""
    wanted = steps[name].foreach_parents
    if len(path) != len(wanted):
        raise WrongPath(f"step {name}: got {len(path)} foreach indices for the foreaches {', '.join(wanted) or 'none'}")
    return TaskPlace(name, tuple(path))


def _ran(foreaches: Sequence[str], join: TaskPlace, trail: Trail) -> str:
    """The one of the foreach steps that ran."""
    if len(foreaches) == 1:
        return foreaches[0]
    ended = trail.went_on_to([TaskPlace(name, join.path) for name in foreaches])
    return next(name for name, went_on in zip(foreaches, ended, strict=True) if went_on)


def _last(steps: Mapping[str, StepRecord], place: TaskPlace, trail: Trail) -> TaskPlace:
    """The last round of the task's step."""
    if not recursive(steps, place.step):
        return place
    return replace(place, round=trail.last_round(place.step, place.path))


def _ways(steps: Mapping[str, StepRecord], step: StepRecord) -> int:
    """From how many steps the step's tasks come; for the join of a foreach, in each split."""
    split = steps[step.split_parents[-1]] if step.kind == "join" else None
    return len(split.out_funcs) if split is not None and split.kind == "split" else 1
