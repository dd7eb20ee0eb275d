from bridge.tests.lib.graphs import flow
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.compiler.structure import (
    Block,
    Each,
    Fork,
    Run,
    structure,
)

LINEAR = "start > a\na > end"
BRANCH = "start > a b\na > join\nb > join\njoin > end"
NESTED = "start * a\na * b\nb > join_b\njoin_b > join\njoin > end"
BRANCH_IN_FOREACH = "start * a\na > b c\nb > join_b\nc > join_b\njoin_b > join\njoin > end"
SHORTCUT = "start > a join\na > join\njoin > end"


def shape(block: Block) -> list[object]:
    """The block as nested lists of names."""
    drawn: list[object] = []
    for part in block:
        match part:
            case Run(step):
                drawn.append(step.name)
            case Fork(branches):
                drawn.append([shape(branch) for branch in branches])
            case Each(foreach, body):
                drawn.append({foreach.name: shape(body)})
    return drawn


def test_a_line_stays_a_line() -> None:
    assert shape(structure(flow(LINEAR))) == ["start", "a", "end"]


def test_branches_stand_between_split_and_join() -> None:
    assert shape(structure(flow(BRANCH))) == ["start", [["a"], ["b"]], "join", "end"]


def test_a_foreach_inside_a_foreach_is_a_block_inside_a_block() -> None:
    assert shape(structure(flow(NESTED))) == ["start", {"start": ["a", {"a": ["b"]}, "join_b"]}, "join", "end"]


def test_a_split_inside_a_foreach_belongs_to_its_body() -> None:
    assert shape(structure(flow(BRANCH_IN_FOREACH))) == [
        "start",
        {"start": ["a", [["b"], ["c"]], "join_b"]},
        "join",
        "end",
    ]


def test_a_split_that_goes_straight_to_its_join_has_an_empty_branch() -> None:
    assert shape(structure(flow(SHORTCUT))) == ["start", [["a"], []], "join", "end"]
