"""Which tasks a task reads from: the flow's graph walked backwards.

Where a switch stands in the way, the graph alone does not say which of the steps before a task did run. The tasks that
did say it themselves: each has stored where it went on to.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from ..record import StepRecord
from .joins import joins

Path = tuple[int, ...]


@dataclass(frozen=True)
class TaskPlace:
    """A task by its place in the flow: its step, one index for each foreach around it, outermost first, and its round
    where the step may follow itself.
    """

    step: str
    path: Path
    round: int = 0


class Astray(Exception):
    """The ways of a run do not lead on together. Metaflow's own scheduler ends such a run too."""


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
    before = _before(steps, task, _paths(steps, task, trail), trail)
    if len(steps[task.step].in_funcs) == _ways(steps, task.step):
        return before
    return [place for place, next in zip(before, trail.went_on_to(before), strict=True) if task.step in next]


def is_ready(steps: Mapping[str, StepRecord], join: TaskPlace, trail: Trail) -> bool:
    """Whether all splits of the foreach, or all branches of the split, that this join ends have come to it."""
    paths = _paths(steps, join, trail)
    came = [join.step in next for next in trail.went_on_to(_before(steps, join, paths, trail))]
    return sum(came) == len(paths) * _ways(steps, join.step)


def arrived(steps: Mapping[str, StepRecord], task: TaskPlace, among: Collection[str], trail: Trail) -> str:
    """At which of these steps a run has arrived since this task, which has ended. Each of them leads on from it.

    Astray when it has arrived at none of the joins of a split or foreach.
    """
    if steps[task.step].kind in ("split", "foreach") and set(among) == set(_joins(steps, task.step)):
        for name in among:
            if is_ready(steps, TaskPlace(name, task.path), trail):
                return name
        raise Astray(f"the ways from {task.step} ended at different joins ({', '.join(among)}), and each waits for all")
    place = task
    while True:
        place = _last(steps, place, trail)
        ((following, *_),) = trail.went_on_to([place])
        if following in among:
            return following
        # Where there are several ways, they all lead to the same join.
        deeper = len(steps[following].foreach_parents) - len(place.path)
        place = TaskPlace(following, (*place.path, 0) if deeper > 0 else place.path[: len(place.path) + deeper])


def split_index(steps: Mapping[str, StepRecord], task: TaskPlace) -> int | None:
    """The index that Metaflow wants for the first step of a foreach's body; None for every other step."""
    first_in_body = any(steps[name].kind == "foreach" for name in steps[task.step].in_funcs)
    return task.path[-1] if first_in_body and task.round == 0 else None


def joined_foreaches(steps: Mapping[str, StepRecord], name: str) -> list[str]:
    """The foreach steps whose splits the step joins; several where a switch chooses among them."""
    step = steps[name]
    if step.kind != "join" or steps[step.split_parents[-1]].kind != "foreach":
        return []
    return [each for each, record in steps.items() if record.kind == "foreach" and name in _joins(steps, each)]


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


def _joins(steps: Mapping[str, StepRecord], split: str) -> tuple[str, ...]:
    def kind(name: str) -> str:
        return "linear" if any(steps[each].gang for each in steps[name].in_funcs) else steps[name].kind

    return joins(split, kind, lambda name: steps[name].out_funcs)


def _paths(steps: Mapping[str, StepRecord], task: TaskPlace, trail: Trail) -> list[Path]:
    """The index paths of what ran before a task: of a foreach's join, one for each split."""
    joined = joined_foreaches(steps, task.step)
    if not joined:
        return [task.path]
    return [(*task.path, index) for index in range(trail.splits(_ran(joined, task, trail), task.path))]


def _before(steps: Mapping[str, StepRecord], task: TaskPlace, paths: Sequence[Path], trail: Trail) -> list[TaskPlace]:
    """The tasks that may have gone on to this one."""
    return [
        _last(steps, TaskPlace(name, path[: len(steps[name].foreach_parents)]), trail)
        for path in paths
        for name in steps[task.step].in_funcs
    ]


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


def _ways(steps: Mapping[str, StepRecord], name: str) -> int:
    """From how many steps the step's tasks come; for the join of a foreach, in each split."""
    step = steps[name]
    split = steps[step.split_parents[-1]] if step.kind == "join" else None
    return len(split.out_funcs) if split is not None and split.kind == "split" else 1
