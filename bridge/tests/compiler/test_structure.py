from dataclasses import replace
from typing import Any

import pytest

from bridge.tests.lib.graphs import flow, ladder, straight, with_step
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.compiler.structure import (
    MOST_COPIES,
    Block,
    Choose,
    Each,
    Fork,
    Run,
    structure,
)
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.compiler.ways import Ways

LINEAR = "start > a\na > end"
BRANCH = "start > a b\na > join\nb > join\njoin > end"
NESTED = "start * a\na * b\nb > join_b\njoin_b > join\njoin > end"
BRANCH_IN_FOREACH = "start * a\na > b c\nb > join_b\nc > join_b\njoin_b > join\njoin > end"
TWO_JOINS = "start * a\na ? b c\nb > join_b\nc > join_c\njoin_b > end\njoin_c > d\nd > end"
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
            case Choose(switch, arms, told):
                by = f"{switch.name} at" if told else "if"
                drawn.append({f"{by} {chosen}": shape(arm) for chosen, arm in arms.items()})
    return drawn


def runs(block: Block) -> list[str]:
    """The steps of all the block's tasks."""
    found: list[str] = []
    for part in block:
        match part:
            case Run(step):
                found.append(step.name)
            case Fork(branches):
                found += [name for branch in branches for name in runs(branch)]
            case Each(body=body):
                found += runs(body)
            case Choose(arms=arms):
                found += [name for arm in arms.values() for name in runs(arm)]
    return found


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


@pytest.mark.parametrize(
    ("edges", "head", "wanted"),
    [
        (TWO_JOINS, "start", ["join_b", "join_c"]),
        ("start * a\na * b\nb > join_b\njoin_b > join\njoin > end", "start", ["join"]),
        ("start * a\na * b\nb > join_b\njoin_b > join\njoin > end", "a", ["join_b"]),
    ],
)
def test_the_joins_of_a_split_are_found_behind_inner_splits(edges: str, head: str, wanted: list[str]) -> None:
    assert list(Ways(flow(edges)).to[head]) == wanted


def test_the_join_of_a_gang_stands_inside_the_foreach_around_it() -> None:
    whole = flow("start * lead\nlead > train\ntrain > gather\ngather > join\njoin > end")
    changes: dict[str, dict[str, Any]] = {"train": {"gang": True}, "gather": {"kind": "join"}}
    for name, facts in changes.items():
        whole = with_step(whole, replace(whole.steps[name], **facts))
    assert shape(structure(whole)) == ["start", {"start": ["lead", "train", "gather"]}, "join", "end"]


def test_a_foreach_that_ends_at_one_join_or_another_tells_which() -> None:
    assert shape(structure(flow(TWO_JOINS))) == [
        "start",
        {"start": ["a", {"if b": ["b"], "if c": ["c"]}]},
        {"start at join_b": ["join_b"], "start at join_c": ["join_c", "d"]},
        "end",
    ]


def test_steps_that_would_have_too_many_copies_are_chosen_anew() -> None:
    whole = flow("start ? a b\na > c\nb ? c d\nc > e\nd > e\ne > end")
    inner = ["b", {"if c": ["c"], "if d": ["d"]}]
    assert shape(structure(whole, copies=1)) == ["start", {"if a": ["a", "c"], "if b": inner}, "e", "end"]
    assert shape(structure(whole, copies=0)) == [
        "start",
        {"if a": ["a"], "if b": ["b", {"if d": ["d"]}]},
        {"start at c": ["c"]},
        "e",
        "end",
    ]


def test_what_is_told_goes_on_where_ways_end() -> None:
    body = "a ? b c\nb > d\nc ? d e\nd > join_d\ne > join_e\njoin_d > end\njoin_e > end"
    (_, each, last, _) = structure(flow(f"start * a\n{body}"), copies=0)
    assert isinstance(each, Each) and isinstance(last, Choose)
    assert last.told == ("join_d", "join_e")
    (_, own, told) = each.body
    assert isinstance(own, Choose) and isinstance(told, Choose)
    assert (own.told, told.told) == ((), ("d", "join_d", "join_e"))


@pytest.mark.parametrize("levels", [12, 60])
def test_switches_that_share_every_step_grow_with_their_number(levels: int) -> None:
    whole = straight(ladder(levels))
    laid = runs(structure(whole))
    assert set(laid) == set(whole.steps)
    assert len(laid) <= len(whole.steps) + MOST_COPIES


def test_switches_one_after_the_other_have_no_copies() -> None:
    lines = [f"m{at} ? a{at} b{at}\na{at} > m{at + 1}\nb{at} > m{at + 1}" for at in range(12)]
    laid = runs(structure(straight("\n".join(["start > m0", *lines, "m12 > end"]))))
    assert sorted(laid) == sorted(set(laid))
