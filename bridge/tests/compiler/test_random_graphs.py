"""Random graphs of Metaflow's shapes: the documents run what Metaflow would run, whatever the cardinalities are."""

from collections.abc import Iterator

from hypothesis import event, given, settings
from hypothesis import strategies as st

from bridge.tests.lib.graphs import flow
from bridge.tests.lib.walks import compiled, reference, walk

# A body is a chain of parts; a part is one step, a split (two bodies or three) or a foreach (one body).
parts: st.SearchStrategy[object] = st.recursive(
    st.just("step"),
    lambda inner: st.one_of(
        st.tuples(st.just("foreach"), st.lists(inner, min_size=1, max_size=2)),
        st.tuples(st.just("split"), st.lists(st.lists(inner, min_size=0, max_size=2), min_size=2, max_size=3)),
    ),
    max_leaves=8,
)


class Writer:
    """Lines of a graph out of drawn parts."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.names: Iterator[str] = (f"s{number}_{'driver' if number % 3 else 'x'}" for number in range(1000))

    def chain(self, drawn: list[object], following: str) -> str:
        """Write the parts so that the last leads to `following`; gives the first step's name."""
        for part in reversed(drawn):
            following = self.part(part, following)
        return following

    def part(self, part: object, following: str) -> str:
        name = next(self.names)
        match part:
            case ("foreach", list(body)):
                join = f"join_{name}"
                self.lines.append(f"{name} * {self.chain(body, join)}")
                self.lines.append(f"{join} > {following}")
            case ("split", list(branches)):
                join = f"join_{name}"
                heads = [self.chain(branch, join) for branch in branches if branch]
                heads = (
                    heads if len(heads) > 1 else [*heads, *(self.chain(["step"], join) for _ in range(2 - len(heads)))]
                )
                self.lines.append(f"{name} > {' '.join(heads)}")
                self.lines.append(f"{join} > {following}")
            case _:
                self.lines.append(f"{name} > {following}")
        return name


@settings(max_examples=120, deadline=None, derandomize=True)
@given(drawn=st.lists(parts, min_size=1, max_size=3), sizes=st.lists(st.integers(0, 3), min_size=1, max_size=9))
def test_the_documents_run_what_metaflow_runs(drawn: list[object], sizes: list[int]) -> None:
    writer = Writer()
    whole = flow("\n".join([f"start > {writer.chain(drawn, 'end')}", *writer.lines]))
    event(f"foreaches around a step: {max(len(step.foreaches) for step in whole.steps.values())}")

    def splits(step: str, path: tuple[int, ...]) -> int:
        return sizes[(sum(map(ord, step)) + sum(path)) % len(sizes)]

    ran = walk(compiled(whole), splits)
    assert sorted(ran) == sorted(reference(whole, splits))
    position = {task: place for place, task in enumerate(ran)}
    for step, path in ran:
        for before in whole.steps[step].previous:
            for at in [each for name, each in ran if name == before and each[: len(path)] == path[: len(each)]]:
                assert position[before, at] < position[step, path]
