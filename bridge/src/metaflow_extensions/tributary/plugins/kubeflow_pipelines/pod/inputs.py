"""Which tasks a task reads from: the flow's graph walked backwards, with the widths of foreaches looked up where they
were written.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ..record import StepRecord

Path = tuple[int, ...]
Splits = Callable[[str, Path], int]
"""Gives the number of splits that a foreach step's task at an index path made."""


@dataclass(frozen=True)
class TaskPlace:
    """A task by its place in the flow: its step, and one index for each foreach around it, outermost first."""

    step: str
    path: Path


def inputs(steps: Mapping[str, StepRecord], task: TaskPlace, splits: Splits) -> list[TaskPlace]:
    """The tasks whose artifacts the task starts from, in the order in which `inputs` of a join has them.

    The first step of a flow has none. Splits is asked only for the join of a foreach.
    """
    step = steps[task.step]
    joined = joined_foreach(steps, step)
    if joined is not None:
        width = splits(joined, task.path)
        return [place for index in range(width) for place in _predecessors(steps, step, (*task.path, index))]
    return _predecessors(steps, step, task.path)


def split_index(steps: Mapping[str, StepRecord], task: TaskPlace) -> int | None:
    """The index that Metaflow wants for the first step of a foreach's body; None for every other step."""
    first_in_body = any(steps[name].kind == "foreach" for name in steps[task.step].in_funcs)
    return task.path[-1] if first_in_body else None


def joined_foreach(steps: Mapping[str, StepRecord], step: StepRecord) -> str | None:
    """The foreach step whose splits the step joins, or None."""
    if step.kind != "join" or steps[step.split_parents[-1]].kind != "foreach":
        return None
    return step.split_parents[-1]


def _predecessors(steps: Mapping[str, StepRecord], step: StepRecord, path: Path) -> list[TaskPlace]:
    return [TaskPlace(name, path[: len(steps[name].foreach_parents)]) for name in step.in_funcs]


def check_path(steps: Mapping[str, StepRecord], name: str, path: Sequence[int]) -> TaskPlace:
    """The task's place; ValueError when the number of indices is not that of the foreaches around the step."""
    wanted = steps[name].foreach_parents
    if len(path) != len(wanted):
        raise ValueError(
            f"step {name}: got {len(path)} foreach indices for the foreaches {', '.join(wanted) or 'none'}"
        )
    return TaskPlace(name, tuple(path))
