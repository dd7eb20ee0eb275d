"""Flows for the compiler's tests, written as graphs: no Metaflow, no files."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import pairwise
from typing import Any

from metaflow_extensions.tributary.plugins.kubeflow_pipelines.compiler.ir import (
    Decorator,
    Flow,
    Parameter,
    Place,
    Step,
    StepKind,
    Target,
)

# Each step in a pod of its own, where a test does not ask for more.
TARGET = Target(
    pipeline="testflow",
    max_workers=4,
    steps_config="steps-config",
    steps_secret="steps-secret",
    fuse=False,
    splits_per_pod=1,
)

KUBERNETES: Mapping[str, Any] = {
    "cpu": "1",
    "memory": "4096",
    "image": "registry/image:1",
    "gpu": None,
    "gpu_vendor": "nvidia",
    "qos": "Burstable",
    "tmpfs_tempdir": True,
    "tmpfs_path": "/metaflow_temp",
}


def flow(edges: str, parameters: Iterable[Parameter] = (), **changes: Any) -> Flow:
    """A flow from lines "step > next next" (linear or split), "step * body" (foreach) and "step ? arm arm" (switch). A
    join is called join...
    """
    lines = [line.split() for line in edges.strip().splitlines()]
    out = {name: (sign, tuple(following)) for name, sign, *following in lines} | {"end": (">", ())}
    facts = _Walk(out)
    facts.visit("start", ())
    steps = {name: _step(name, out, facts) for name in facts.order}
    known = {"place": Place("flow.py", 3), "help": "", "start": "start", "end": "end"}
    return Flow("TestFlow", "flow.py", steps=steps, parameters=tuple(parameters), **{**known, **changes})


def straight(edges: str) -> Flow:
    """The same for a flow without splits, foreaches and joins, whose lines stand in topological order. It may have very
    many ways, which Metaflow, and flow(), would walk one by one.
    """
    lines = [line.split() for line in edges.strip().splitlines()]
    steps: dict[str, Step] = {}
    for name, sign, *following in [*lines, ["end", ">"]]:
        steps[name] = Step(
            name,
            _kind(name, sign, tuple(following)),
            Place("flow.py", 10 + len(steps)),
            tuple(following),
            previous=tuple(sorted(each.name for each in steps.values() if name in each.next)),
            decorators=(Decorator("kubernetes", dict(KUBERNETES)),),
        )
    return Flow("TestFlow", "flow.py", Place("flow.py", 3), "", "start", "end", steps)


def ladder(levels: int) -> str:
    """The edges of a flow with two steps a level, each of which chooses between the two of the next: 2^levels ways."""
    pairs = [(f"a{at}", f"b{at}") for at in range(levels)]
    lines = ["start ? a0 b0"]
    lines += [f"{each} ? {' '.join(below)}" for above, below in pairwise(pairs) for each in above]
    return "\n".join([*lines, *(f"{each} > end" for each in pairs[-1])])


def decorated(step: Step, *decorators: Decorator) -> Step:
    """The step with these decorators beside its @kubernetes, or in place of it."""
    names = {each.name for each in decorators}
    kept = tuple(each for each in step.decorators if each.name not in names)
    return replace(step, decorators=(*kept, *decorators))


def with_step(whole: Flow, step: Step) -> Flow:
    """The flow with this step in place of its own of that name."""
    return replace(whole, steps={**whole.steps, step.name: step})


def kubernetes(changed: Iterable[str] = (), **attributes: Any) -> Decorator:
    """@kubernetes with these attributes; those given count as changed, unless `changed` says which do."""
    return Decorator("kubernetes", {**KUBERNETES, **attributes}, frozenset(changed) or frozenset(attributes))


class _Walk:
    """What Metaflow's graph would say of each step: the splits around it, and where each of them ends."""

    def __init__(self, out: Mapping[str, tuple[str, tuple[str, ...]]]) -> None:
        self.out = out
        self.order: list[str] = []
        self.previous: dict[str, list[str]] = {}
        self.around: dict[str, tuple[str, ...]] = {}
        self.join: dict[str, str] = {}

    def visit(self, name: str, around: tuple[str, ...]) -> None:
        if name in self.around:
            self.order.remove(name)
        self.order.append(name)
        self.around[name] = around
        sign, following = self.out[name]
        if name.startswith("join"):
            self.join[around[-1]] = name
            around = around[:-1]
        inner = (*around, name) if sign == "*" or (sign == ">" and len(following) > 1) else around
        for each in following:
            if each == name:
                continue
            if name not in self.previous.setdefault(each, []):
                self.previous[each].append(name)
            self.visit(each, inner)


def _step(name: str, out: Mapping[str, tuple[str, tuple[str, ...]]], facts: _Walk) -> Step:
    sign, following = out[name]
    around = facts.around[name]
    outside = around[:-1] if name.startswith("join") else around
    return Step(
        name=name,
        kind=_kind(name, sign, following),
        place=Place("flow.py", 10 + facts.order.index(name)),
        next=following,
        previous=tuple(sorted(facts.previous.get(name, ()))),
        split_parents=around,
        join=facts.join.get(name),
        foreaches=tuple(each for each in outside if out[each][0] == "*"),
        decorators=(Decorator("kubernetes", dict(KUBERNETES)),),
    )


def _kind(name: str, sign: str, following: tuple[str, ...]) -> StepKind:
    if sign in "*?":
        return "foreach" if sign == "*" else "split-switch"
    if len(following) > 1:
        return "split"
    if name.startswith("join"):
        return "join"
    return "end" if name == "end" else "start" if name == "start" else "linear"
