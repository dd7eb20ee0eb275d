"""Digits in a path mean the number of a run or a task, anything else its name."""

from __future__ import annotations

import pytest

from metadata_service.domain.keys import key, new_client_key, new_name
from metadata_service.domain.refusals import Malformed, NotFound


@pytest.mark.parametrize(
    ("segment", "meant"),
    [
        ("7", 7),
        ("007", 7),
        ("0", 0),
        ("9223372036854775807", 2**63 - 1),
        ("kfp-7", "kfp-7"),
        ("-7", "-7"),
        ("\uff17", "\uff17"),
    ],
)
def test_a_segment_is_a_number_or_a_name(segment: str, meant: int | str) -> None:
    assert key(segment, "Run") == meant


@pytest.mark.parametrize("segment", ["9223372036854775808", "9" * 5000])
def test_a_number_that_no_database_gives_is_not_found(segment: str) -> None:
    with pytest.raises(NotFound):
        key(segment, "Run")


@pytest.mark.parametrize("name", ["", "a/b", "x" * 256])
def test_a_name_that_no_path_can_hold_is_refused(name: str) -> None:
    with pytest.raises(Malformed):
        new_name(name, "flow_id")


def test_a_name_is_as_long_as_its_column() -> None:
    assert new_name("é" * 255, "flow_id") == "é" * 255


def test_a_client_may_not_choose_a_number() -> None:
    assert new_client_key(None, "task_id") is None
    assert new_client_key("t-1", "task_id") == "t-1"
    with pytest.raises(Malformed, match="is a number"):
        new_client_key("12", "task_id")
