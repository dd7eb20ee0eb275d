"""Blocks to scopes: which tasks stand in which DAG, what each waits for, and which indexes it must be handed."""

from collections.abc import Mapping
from dataclasses import dataclass

from ..names import task_names
from .ir import Flow, Step
from .structure import Block, Each, Fork, Run


@dataclass(frozen=True)
class Scope:
    """One DAG: the root, or the body of a foreach. `depth` is the number of foreaches around its tasks."""

    name: str
    depth: int
    tasks: tuple["Task", ...]


@dataclass(frozen=True)
class Task:
    """One task of a DAG. `splits_of` is the task whose splits it runs once for each, or None.

    `depth` is the number of foreaches around the work itself: that of the scope, and one more with `splits_of`.
    """

    name: str
    work: Step | Scope
    depth: int
    after: tuple[str, ...]
    splits_of: str | None = None


def wire(flow: Flow, block: Block) -> Scope:
    """The root scope of the flow."""
    foreaches = [step.name for step in flow.steps.values() if step.kind == "foreach"]
    return _Wiring(*task_names(flow.steps, foreaches)).scope(flow.start, block, depth=0)


class _Wiring:
    def __init__(self, tasks: Mapping[str, str], loops: Mapping[str, str]) -> None:
        self.names = tasks
        self.loops = loops

    def scope(self, name: str, block: Block, depth: int) -> Scope:
        tasks: list[Task] = []
        self._lay(block, depth, (), tasks)
        return Scope(name, depth, tuple(tasks))

    def _lay(self, block: Block, depth: int, after: tuple[str, ...], tasks: list[Task]) -> tuple[str, ...]:
        """Append the block's tasks; `after` are those that it follows. Gives the tasks that a follower waits for."""
        for part in block:
            match part:
                case Run(step):
                    tasks.append(Task(self.names[step.name], step, depth, after))
                    after = (tasks[-1].name,)
                case Fork(branches):
                    tails = [self._lay(branch, depth, after, tasks) for branch in branches]
                    after = tuple(dict.fromkeys(name for tail in tails for name in tail))
                case Each(foreach, body):
                    tasks.append(self._each(foreach, body, depth + 1))
                    after = (tasks[-1].name,)
        return after

    def _each(self, foreach: Step, body: Block, depth: int) -> Task:
        """The iterator: straight on the container when the body is one step, which saves a pod for every item."""
        producer = self.names[foreach.name]
        match body:
            case (Run(step),):
                return Task(self.names[step.name], step, depth, (producer,), splits_of=producer)
            case _:
                name = self.loops[foreach.name]
                return Task(name, self.scope(name, body, depth), depth, (producer,), splits_of=producer)
