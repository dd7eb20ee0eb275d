"""The query of a list is understood whole, or refused by the name of the parameter."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metadata_service.api.queries import NO_FIELDS, RUN_FIELDS, TASK_FIELDS, decode_cursor, encode_cursor, read_query
from metadata_service.domain.refusals import Malformed
from metadata_service.domain.selection import Cursor, FieldFilter, Order, Page, Selection, TagFilter


def runs(*parameters: tuple[str, str]) -> Selection:
    return read_query(parameters, Order.RUNS, RUN_FIELDS).selection


def test_without_parameters_everything_is_asked_for() -> None:
    assert runs() == Selection()


@pytest.mark.parametrize(("value", "limit"), [("1", 1), ("500", 500), ("501", 500), ("999999999", 500), ("", 50)])
def test_a_limit_is_cut_to_the_largest(value: str, limit: int) -> None:
    assert runs(("_limit", value)).page == Page(limit)


@pytest.mark.parametrize("value", ["0", "-1", "abc", "1.5", "1e3", "9" * 10, "٣", " 5"])
def test_a_limit_that_is_none_is_refused(value: str) -> None:
    with pytest.raises(Malformed, match="_limit"):
        runs(("_limit", value))


def test_a_filter_alone_asks_for_a_page() -> None:
    assert runs(("status:eq", "running,failed")) == Selection(
        Page(50), (FieldFilter("status", "eq", ("running", "failed")),)
    )


@pytest.mark.parametrize(
    ("parameter", "expected"),
    [
        (("ts_epoch:ge", "5"), FieldFilter("ts_epoch", "ge", (5,))),
        (("ts_epoch", "-5"), FieldFilter("ts_epoch", "eq", (-5,))),
        (("run_id", "null"), FieldFilter("run_id", "eq", (None,))),
        (("run_id:is", "null"), FieldFilter("run_id", "eq", (None,))),
        (("user_name:co", "ann"), FieldFilter("user_name", "co", ("ann",))),
        (("run_number:ne", "1,null"), FieldFilter("run_number", "ne", (1, None))),
    ],
)
def test_filters_on_fields(parameter: tuple[str, str], expected: FieldFilter) -> None:
    assert runs(parameter).fields == (expected,)


@pytest.mark.parametrize(
    ("parameter", "expected"),
    [
        (("_tags", "a,b"), TagFilter("all", ("a", "b"))),
        (("_tags:any", "a"), TagFilter("any", ("a",))),
        (("_tags:likeany", "a"), TagFilter("likeany", ("a",))),
        (("_tags:likeall", "user:x"), TagFilter("likeall", ("user:x",))),
    ],
)
def test_predicates_on_tags(parameter: tuple[str, str], expected: TagFilter) -> None:
    assert runs(parameter).tags == (expected,)


@pytest.mark.parametrize(
    "parameter",
    [
        ("status:eq", "bogus"),
        ("status:zz", "running"),
        ("ts_epoch:ge", "2026-01-01"),
        ("ts_epoch:co", "1"),
        ("ts_epoch:ge", "9" * 20),
        ("run_number:eq", "kfp-1"),
        ("run_id:is", "x"),
        ("_tags:some", "a"),
        ("_order", "ts_epoch"),
        ("tags:eq", "a"),
        ("system_tags", "a"),
    ],
)
def test_what_cannot_be_served_is_refused_by_name(parameter: tuple[str, str]) -> None:
    with pytest.raises(Malformed, match=parameter[0]):
        runs(parameter)


def test_an_unknown_field_is_ignored_and_named() -> None:
    query = read_query([("nonsense:eq", "x"), ("status", "failed")], Order.TASKS, TASK_FIELDS)
    assert query.ignored == ("nonsense:eq", "status")
    assert query.selection == Selection()


@pytest.mark.parametrize(
    ("mode", "tags", "holds"),
    [
        ("any", "a,x", True),
        ("any", "x,y", False),
        ("all", "a,b", True),
        ("all", "a,x", False),
        ("likeany", "ser:,x", True),
        ("likeany", "x,y", False),
        ("likeall", "ser:,b", True),
        ("likeall", "ser:,x", False),
    ],
)
def test_what_a_predicate_on_tags_means(mode: str, tags: str, holds: bool) -> None:
    (predicate,) = runs((f"_tags:{mode}", tags)).tags
    assert predicate.holds(["a", "b", "user:ann"]) is holds


@settings(deadline=None)
@given(st.integers(-(2**63) + 1, 2**63 - 1), st.integers(0, 2**63 - 1), st.text(max_size=255))
def test_a_cursor_comes_back_as_it_was(ts_epoch: int, task_id: int, name: str) -> None:
    cursor: Cursor = (ts_epoch, task_id, name)
    assert decode_cursor(encode_cursor(cursor, Order.ARTIFACTS), Order.ARTIFACTS) == cursor


def test_a_cursor_of_upstream_is_understood() -> None:
    # {"ts_epoch": 1780155056177, "run_number": 5}
    cursor = "eyJ0c19lcG9jaCI6IDE3ODAxNTUwNTYxNzcsICJydW5fbnVtYmVyIjogNX0="
    assert decode_cursor(cursor, Order.RUNS) == (1780155056177, 5)


@pytest.mark.parametrize(
    "text", ["garbage123", "e30=", "W10=", "!", "eyJ0c19lcG9jaCI6ICJ4IiwgInJ1bl9udW1iZXIiOiA1fQ=="]
)
def test_what_is_no_cursor_is_refused(text: str) -> None:
    with pytest.raises(Malformed, match="_cursor"):
        read_query([("_cursor", text)], Order.RUNS, NO_FIELDS)


@settings(deadline=None)
@given(st.text())
def test_no_text_as_a_cursor_is_a_bug(text: str) -> None:
    with contextlib.suppress(Malformed):
        decode_cursor(text, Order.METADATA)
