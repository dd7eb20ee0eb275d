"""Edges to nested blocks. Metaflow draws a graph; Kubeflow Pipelines only nests."""

from dataclasses import dataclass
from typing import TypeAlias

from .ir import Flow, Step


@dataclass(frozen=True)
class Run:
    """One step."""

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


Block: TypeAlias = tuple["Run | Fork | Each", ...]


def structure(flow: Flow) -> Block:
    """The whole flow as one block. Give it only flows in which checks.problems() finds nothing."""
    return _between(flow, flow.start, until=None)


def _between(flow: Flow, name: str | None, until: str | None) -> Block:
    block: list[Run | Fork | Each] = []
    while name is not None and name != until:
        step = flow.steps[name]
        block.append(Run(step))
        match step.kind:
            case "start" | "linear" | "join":
                (name,) = step.next
            case "split":
                block.append(Fork(tuple(_between(flow, branch, step.join) for branch in step.next)))
                name = step.join
            case "foreach":
                (body,) = step.next
                block.append(Each(step, _between(flow, body, step.join)))
                name = step.join
            case "end":
                name = None
            case "split-switch":
                raise AssertionError(f"{step.place}: a switch reached the structure stage; the checks let it through")
    return tuple(block)
