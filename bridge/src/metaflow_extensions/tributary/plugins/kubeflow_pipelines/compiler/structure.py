"""Edges to nested blocks. Metaflow draws a graph; Kubeflow Pipelines only nests.

A switch holds all that may run between it and the step where its ways are one again: its immediate post-dominator. A
step on several of its ways stands in each of them, and only one of them runs.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from .ir import Flow, Step


@dataclass(frozen=True)
class Run:
    """One step; of a step that may follow itself, all its rounds."""

    step: Step


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
    """The arms of a switch, by the step that it chooses. A choice that leads straight on has no arm here."""

    switch: Step
    arms: Mapping[str, "Block"]


Block: TypeAlias = tuple["Run | Fork | Each | Choose", ...]


def structure(flow: Flow) -> Block:
    """The whole flow as one block. Give it only flows in which checks.problems() finds nothing."""
    return _Structure(flow).between(flow.start, until=None)


def joins(flow: Flow, split: Step) -> tuple[str, ...]:
    """The joins at which what a split or foreach began may end. More than one where switches choose among them."""
    found: dict[str, None] = {}
    seen: set[tuple[str, int]] = set()
    waiting = [(name, 1) for name in split.next]
    while waiting:
        name, open_splits = waiting.pop()
        if (name, open_splits) in seen:
            continue
        seen.add((name, open_splits))
        step = flow.steps[name]
        if step.kind == "join":
            open_splits -= 1
        if open_splits == 0:
            found[name] = None
            continue
        opened = open_splits + (1 if step.kind in ("split", "foreach") else 0)
        waiting += [(following, opened) for following in step.exits]
    return tuple(sorted(found))


class _Structure:
    def __init__(self, flow: Flow) -> None:
        self.flow = flow
        self.merges = _merges(flow) if any(step.kind == "split-switch" for step in flow.steps.values()) else {}

    def between(self, name: str | None, until: str | None) -> Block:
        block: list[Run | Fork | Each | Choose] = []
        while name is not None and name != until:
            step = self.flow.steps[name]
            block.append(Run(step))
            match step.kind:
                case "start" | "linear" | "join":
                    (name,) = step.next
                case "split":
                    block.append(Fork(tuple(self.between(branch, step.join) for branch in step.next)))
                    name = step.join
                case "foreach":
                    (body,) = step.next
                    block.append(Each(step, self.between(body, step.join)))
                    name = step.join
                case "split-switch":
                    name = self.merges[step.name]
                    arms = {arm: self.between(arm, name) for arm in step.exits if arm != name}
                    if arms:
                        block.append(Choose(step, arms))
                case "end":
                    name = None
        return tuple(block)


def _merges(flow: Flow) -> Mapping[str, str]:
    """Switch -> the first step that runs whatever it chooses."""
    after: dict[str, frozenset[str]] = {}
    for name in reversed(list(flow.steps)):
        ways = [after[following] for following in flow.steps[name].exits]
        after[name] = frozenset.intersection(*ways) | {name} if ways else frozenset({name})
    switches = [step.name for step in flow.steps.values() if step.kind == "split-switch"]
    # The nearest is the one that all the others come after.
    return {name: max(after[name] - {name}, key=lambda other: len(after[other])) for name in switches}
