"""Edges to nested blocks. Metaflow draws a graph; Kubeflow Pipelines only nests.

A switch holds all that may run between it and the step where its ways are one again. A step on several of its ways
stands in each of them, and only one of them runs. Where that would be too many copies, the ways end before the steps
that they share, and what follows is chosen anew: a task tells where the ways have led so far. In the same way the join
is chosen of a split or foreach that ends at one join or another.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from .ir import Flow, Step
from .ways import Ways

MOST_COPIES = 32
"""So many tasks may stand for steps that have one already, in the arms of one switch. A copy costs some 300 bytes of
the pipeline; a task that tells costs a pod in every run.
"""


@dataclass(frozen=True)
class Run:
    """One step; of a step that may follow itself, all its rounds. `then` are further steps that run in its pod.

    `batched` says that a pod may run several splits of the last of them, a foreach; `in_batches` that these steps are
    what it runs then.
    """

    step: Step
    then: tuple[Step, ...] = ()
    batched: bool = False
    in_batches: bool = False

    @property
    def last(self) -> Step:
        """The step whose successors follow."""
        return self.then[-1] if self.then else self.step


@dataclass(frozen=True)
class Fork:
    """The branches of a static split, each from its first step to just before the join. A branch may be empty."""

    branches: tuple["Block", ...]


@dataclass(frozen=True)
class Each:
    """What runs once for every item of a foreach step."""

    foreach: Step
    body: "Block"


@dataclass(frozen=True)
class Choose:
    """Blocks of which one runs at most, by the step that it begins with.

    Without `told` it is the step that `switch` chooses. Else it is the one of `told` at which the run has arrived since
    the task of `switch`, which may be a split or foreach too. A choice that leads straight on has no arm here.
    """

    switch: Step
    arms: Mapping[str, "Block"]
    told: tuple[str, ...]


Block: TypeAlias = tuple["Run | Fork | Each | Choose", ...]


def structure(flow: Flow, copies: int = MOST_COPIES) -> Block:
    """The whole flow as one block. Give it only flows in which checks.problems() finds nothing.

    `copies` is how many further tasks the steps in one switch's arms may have in all before they are chosen anew.
    """
    return _Structure(flow, copies).between(flow.start, frozenset())


class _Structure:
    def __init__(self, flow: Flow, copies: int) -> None:
        self.flow = flow
        self.copies = copies
        self.ways = Ways(flow)
        self._blocks: dict[tuple[str, frozenset[str]], Block] = {}
        self._wholes: dict[str, Block] = {}
        self._weights: dict[int, int] = {}

    def between(self, first: str, until: frozenset[str]) -> Block:
        """From this step to just before one of those at which ways end."""
        if (first, until) in self._blocks:
            return self._blocks[first, until]
        block: list[Run | Fork | Each | Choose] = []
        name: str | None = first
        while name is not None and name not in until:
            step = self.flow.steps[name]
            block += self._whole(step)
            following = self.ways.to[name]
            if len(following) > 1:
                name = self.ways.meeting(name, until)
                told = () if step.kind == "split-switch" else following
                block += self._chosen(step, following, told, until if name is None else until | {name})
            else:
                name = following[0] if following else None
        return self._blocks.setdefault((first, until), tuple(block))

    def _whole(self, step: Step) -> Block:
        """The step, and what stands inside it."""
        if step.name not in self._wholes:
            until = frozenset(self.ways.to[step.name])
            block: Block = (Run(step),)
            match step.kind:
                case "split":
                    block = (*block, Fork(tuple(self.between(branch, until) for branch in step.next)))
                case "foreach":
                    block = (*block, Each(step, self.between(step.next[0], until)))
            self._wholes[step.name] = block
        return self._wholes[step.name]

    def _chosen(
        self, switch: Step, ways: tuple[str, ...], told: tuple[str, ...], until: frozenset[str]
    ) -> list[Choose]:
        """What may run between a step and where its ways end, which begins with one of `ways`."""
        parts: list[Choose] = []
        ends = self.ways.sorted(self._ends(ways, until))
        while starts := [name for name in ways if name not in until]:
            arms = {name: self.between(name, until) for name in starts}
            shared = self.ways.shared(starts, until)
            if self._copies(arms, until) <= self.copies or not shared:
                return [*parts, Choose(switch, arms, told)]
            arms = {name: self.between(name, until | shared) for name in starts if name not in shared}
            parts.append(Choose(switch, arms, told))
            ways = self._entries(starts, shared, until)
            told = (*ways, *ends)
        return parts

    def _entries(self, starts: list[str], shared: set[str], until: frozenset[str]) -> tuple[str, ...]:
        """The shared steps at which a run may arrive that has run none of them."""
        before = self.ways.reach(starts, until | shared)
        entered = {following for name in before for following in self.ways.to[name]} | set(starts)
        return tuple(self.ways.sorted(entered & shared))

    def _ends(self, ways: tuple[str, ...], until: frozenset[str]) -> set[str]:
        """Those of the steps at which ways end to which these lead."""
        passed = self.ways.reach(ways, until)
        return {following for name in passed for following in self.ways.to[name] if following in until}

    def _copies(self, arms: Mapping[str, Block], until: frozenset[str]) -> int:
        """How many tasks stand for a step that has one already."""
        laid = sum(map(self._weight, arms.values()))
        return laid - sum(self._weight(self._whole(self.flow.steps[name])) for name in self.ways.reach(arms, until))

    def _weight(self, block: Block) -> int:
        """How many steps' tasks a block has."""
        # Equal arms are one object that stays, so that a block of very many copies is counted in no time.
        if id(block) not in self._weights:
            self._weights[id(block)] = sum(map(self._weight_of_part, block))
        return self._weights[id(block)]

    def _weight_of_part(self, part: "Run | Fork | Each | Choose") -> int:
        match part:
            case Run():
                return 1
            case Fork(branches):
                return sum(map(self._weight, branches))
            case Each(body=body):
                return self._weight(body)
            case Choose(arms=arms):
                return sum(map(self._weight, arms.values()))
