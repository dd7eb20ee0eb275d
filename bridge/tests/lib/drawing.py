"""Metaflow flows that hypothesis draws, as the source that somebody might have written.

What a step does is decided by a trace that every step mixes from its inputs: how wide a foreach is, which way a switch
takes, when a step has followed itself often enough. So two runs of a flow do the same, and what a task read is in what
it wrote.
"""

import linecache
import sys
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from hypothesis import strategies as st
from metaflow.lint import linter

HEAD = """\
from hashlib import sha1

from metaflow import FlowSpec, current, step


def mix(*parts):
    return sha1(repr(parts).encode()).hexdigest()[:12]


def pick(trace, most):
    return int(trace, 16) % most


"""


@dataclass(frozen=True)
class Node:
    """One step: its kind in Metaflow's words, and the steps that it names in self.next."""

    name: str
    kind: str
    targets: tuple[str, ...]


@dataclass(frozen=True)
class Drawing:
    """The steps of a flow, and which of them it begins and ends with."""

    nodes: tuple[Node, ...]
    start: str
    end: str
    features: frozenset[str]

    def source(self, name: str = "DrawnFlow") -> str:
        """The flow's file."""
        steps = "\n\n".join(self._step(node) for node in self.nodes)
        return f'{HEAD}class {name}(FlowSpec):\n{steps}\n\n\nif __name__ == "__main__":\n    {name}()\n'

    def _step(self, node: Node) -> str:
        marks = [f"{end}=True" for end in ("start", "end") if getattr(self, end) == node.name != end]
        decorator = f"@step({', '.join(marks)})" if marks else "@step"
        lines = [*self._body(node), *_ending(node)]
        arguments = "self, inputs" if node.kind == "join" else "self"
        return "\n".join(
            [f"    {decorator}", f"    def {node.name}({arguments}):", *(f"        {line}" for line in lines)]
        )

    def _body(self, node: Node) -> Iterator[str]:
        if node.kind == "join":
            yield "self.read = sorted(each.trace for each in inputs)"
            yield f"self.trace = mix('{node.name}', *self.read)"
        else:
            before = "''" if node.name == self.start else "self.trace"
            yield f"self.trace = mix('{node.name}', {before}, self.index, len(self.foreach_stack()))"
        for group in sorted({target.split("_")[1] for target in node.targets if target.startswith("alike_")}):
            yield f"self.together_{group} = pick(self.trace, 2)"
        yield "self.task = (current.step_name, self.index, self.input)"


def _ending(node: Node) -> Iterator[str]:
    ways = ", ".join(f"self.{target}" for target in node.targets)
    match node.kind:
        case "end":
            return
        case "foreach":
            # A list of its own: Metaflow looks the items of an outer foreach up by name in the innermost task.
            yield f"self.items_{node.name} = list(range(1 + pick(self.trace, 3)))"
            yield f"self.next({ways}, foreach='items_{node.name}')"
        case "switch":
            cases = ", ".join(f"{number}: self.{target}" for number, target in enumerate(node.targets))
            if node.name.startswith("alike_"):
                yield f"self.way = self.together_{node.name.split('_')[1]}"
            else:
                yield f"self.way = pick(self.trace, {len(node.targets)})"
            if node.name in node.targets:
                out = next(number for number, target in enumerate(node.targets) if target != node.name)
                yield f"self.rounds_{node.name} = getattr(self, 'rounds_{node.name}', 0) + 1"
                yield f"self.way = {out} if self.rounds_{node.name} > 2 else self.way"
            yield f"self.next({{{cases}}}, condition='way')"
        case _:
            yield f"self.next({ways})"


def flow_class(source: str) -> Any:
    """The flow class in a source, as if it had been imported; its graph has passed Metaflow's own checks."""
    name = f"drawn_{next(_NUMBERS)}"
    file = f"<{name}>"
    module = types.ModuleType(name)
    module.__file__ = file
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    # Metaflow reads the source of each step, and Python looks for its file by its module.
    sys.modules[name] = module
    try:
        exec(compile(source, file, "exec"), module.__dict__)
        found = module.__dict__["DrawnFlow"]
        linter.run_checks(found._graph)
        return found
    finally:
        del sys.modules[name], linecache.cache[file]


_NUMBERS = count()

Draw = Callable[[st.SearchStrategy[Any]], Any]


@st.composite
def drawings(draw: Draw, most: int = 7) -> Drawing:
    """A valid flow: chains of steps, splits, foreaches, switches and steps that follow themselves, in one another.

    `most` is about how many steps it may have beside those that it cannot do without.
    """
    pen = _Pen(draw, budget=draw(st.integers(1, most)))
    end = draw(st.sampled_from(["end", "end", "finish"]))
    if draw(st.integers(0, 29)) == 29:
        return Drawing((Node("only", "end", ()),), "only", "only", frozenset(["single"]))
    first = pen.chain(end, wanted=[part for part in ("loop", "nested", "switch") if draw(st.integers(0, 9)) < 6])
    head = pen.nodes[first]
    # A first step may split, but it may not follow itself.
    if first in head.targets or draw(st.booleans()):
        pen.put("start", "step", first)
        first = "start"
    pen.put(end, "end")
    return Drawing(tuple(sorted(pen.nodes.values(), key=lambda node: node.name)), first, end, frozenset(pen.features))


@dataclass
class _Pen:
    """Draws from the end to the beginning: each part is told what follows it, and gives its first step's name."""

    draw: Draw
    budget: int
    nodes: dict[str, Node] = field(default_factory=dict)
    features: set[str] = field(default_factory=set)
    taken: set[str] = field(default_factory=set)

    def put(self, name: str, kind: str, *targets: str) -> str:
        self.nodes[name] = Node(name, kind, targets)
        return name

    def name(self) -> str:
        """A name that no step has, now and then one that looks as if it were made from another's."""
        self.budget -= 1
        number = len(self.taken)
        form = ("s{}", "s{}_driver", "each_s{}", "s{}_x2", "switch_s{}", "s{}", "again_s{}")[number % 7]
        name = next(name for at in count(number // 2) if (name := form.format(at)) not in self.taken)
        self.taken.add(name)
        return name

    def chain(self, following: str, *, depth: int = 0, wanted: Any = ()) -> str:
        """One to three parts, and those that are wanted."""
        kinds = ["step"] if self.budget < 1 else ["step", "step", "foreach", "split", "switch", "loop", "joins"]
        parts = [self.draw(st.sampled_from(kinds)) for _ in range(self.draw(st.integers(1, 2)))]
        for part in self.draw(st.permutations([*parts, *sorted(wanted)])):
            following = self.part(part, following, depth)
        return following

    def part(self, kind: str, following: str, depth: int) -> str:
        if self.budget < -8:
            kind = "step"
        match kind:
            case "foreach" | "nested" if depth < 3:
                join = f"join_{self.name()}"
                self.put(join, "join", following)
                if depth > 0:
                    self.features.add("nested")
                inner = self.chain(join, depth=depth + 1, wanted=["foreach"] if kind == "nested" else ())
                return self.put(self.name(), "foreach", self.no_join(inner))
            case "split":
                join = f"join_{self.name()}"
                self.put(join, "join", following)
                heads = [self.no_join(self.chain(join, depth=depth)) for _ in range(self.draw(st.integers(2, 3)))]
                return self.put(self.name(), "split", *heads)
            case "joins":
                return self.either_join(following, depth)
            case "switch":
                return self.ways(following, depth)
            case "loop":
                self.features.add("loop")
                name = self.name()
                return self.put(name, "switch", *self.draw(st.permutations([name, self.no_join(following)])))
            case _:
                return self.put(self.name(), "step", following)

    def either_join(self, following: str, depth: int) -> str:
        """A split or a foreach that ends at one join or another, as switches choose that all choose alike."""
        self.features.add("joins")
        joins = [self.put(f"join_{self.name()}", "join", self.part("step", following, depth)) for _ in range(2)]
        group, is_foreach = len(self.taken), self.draw(st.booleans())
        heads = []
        for _ in range(1 if is_foreach else 2):
            inside = depth + 1 if is_foreach else depth
            arms = [self.no_join(self.chain(join, depth=inside)) for join in joins]
            heads.append(self.put(f"alike_{group}_{self.name()}", "switch", *arms))
        return self.put(self.name(), "foreach" if is_foreach else "split", *heads)

    def ways(self, following: str, depth: int) -> str:
        """A switch and what stands between it and the step that all its ways lead to: each place leads to any of the
        later ones, so ways share steps and meet one by one.
        """
        self.features.add("switch")
        last = self.draw(st.integers(1, 4))
        beyond = last + 1
        leads: dict[int, set[int]] = {at: set() for at in range(beyond)}
        for to in range(1, beyond):
            leads[self.draw(st.integers(0, to - 1))].add(to)
        for at in range(beyond):
            leads[at] |= self.draw(st.sets(st.integers(at + 1, beyond), max_size=2)) or ({beyond} if at else set())
            leads[at] = leads[at] or {beyond}
        if len(leads[0]) < 2:
            leads[0].add(beyond)
        first = {beyond: following}
        for at in range(last, -1, -1):
            ends = [first[to] for to in sorted(leads[at])]
            if len(ends) == 1 and at:
                kind = self.draw(st.sampled_from(["step", "step", "step", "foreach", "split", "loop"]))
                first[at] = self.part(kind, ends[0], depth)
                continue
            name = self.name()
            targets = [self.no_join(end) for end in ends]
            if at and self.draw(st.integers(0, 4)) == 4:
                self.features.add("loop")
                targets.append(name)
            first[at] = self.put(name, "switch", *targets)
        return first[0]

    def no_join(self, name: str) -> str:
        """The step, or one before it where it is a join: a switch and a split may not lead straight to one."""
        return self.put(self.name(), "step", name) if name.startswith("join_") else name
