from bridge.tests.lib.graphs import flow
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.compiler.structure import (
    Block,
    Choose,
    Each,
    Fork,
    Run,
    joins,
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
            case Choose(arms=arms):
                drawn.append({f"if {chosen}": shape(arm) for chosen, arm in arms.items()})
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


def test_a_switch_holds_its_arms_up_to_where_they_meet() -> None:
    whole = flow("start ? a b end\na > c\nc > b\nb > end")
    assert shape(structure(whole)) == ["start", {"if a": ["a", "c", "b"], "if b": ["b"]}, "end"]


def test_a_switch_in_an_arm_shares_steps_with_its_neighbour() -> None:
    whole = flow("start ? a b\na ? b c\nb > m\nc > m\nm > end")
    inner = ["a", {"if b": ["b"], "if c": ["c"]}]
    assert shape(structure(whole)) == ["start", {"if a": inner, "if b": ["b"]}, "m", "end"]


def test_the_arms_of_a_switch_may_end_in_a_join() -> None:
    whole = flow("start * a\na ? b c\nb > join\nc > d\nd > join\njoin > end")
    body = ["a", {"if b": ["b"], "if c": ["c", "d"]}]
    assert shape(structure(whole)) == ["start", {"start": body}, "join", "end"]


def test_a_choice_that_goes_straight_on_has_no_arm() -> None:
    assert shape(structure(flow("start ? a end\na > end"))) == ["start", {"if a": ["a"]}, "end"]
    assert shape(structure(flow("start ? end end"))) == ["start", "end"]


def test_a_step_that_follows_itself_has_arms_for_its_other_ways_only() -> None:
    assert shape(structure(flow("start > a\na ? a end"))) == ["start", "a", "end"]
    two = flow("start > a\na ? a b end\nb > end")
    assert shape(structure(two)) == ["start", "a", {"if b": ["b"]}, "end"]


def test_the_joins_of_a_split_are_found_behind_inner_splits() -> None:
    whole = flow("start * a\na ? b c\nb * d\nd > join_d\njoin_d > join_b\nc > join_c\njoin_b > end\njoin_c > end")
    assert joins(whole, whole.steps["start"]) == ("join_b", "join_c")
    assert joins(whole, whole.steps["b"]) == ("join_d",)
