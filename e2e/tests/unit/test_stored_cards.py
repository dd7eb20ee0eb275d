"""Which tasks have cards, by the files of a run. The listing itself is asked for on the cluster (test_read_back)."""

from __future__ import annotations

import pytest

from laptop.stored_cards import having_cards


def test_only_tasks_with_a_stored_card_have_one() -> None:
    files = [
        "steps/choose/tasks/t-a/cards/blank-report-0123.html",
        "steps/choose/tasks/t-a/cards/default-4567.html",
        "steps/choose/tasks/t-a/runtime/default-4567.data.json",
        "steps/train/tasks/7/cards/default-89ab.html",
        "steps/train/tasks/8/runtime/default-cdef.data.json",
    ]
    assert having_cards("F", "kfp-1", files) == {"F/kfp-1/choose/t-a", "F/kfp-1/train/7"}


@pytest.mark.parametrize(
    "file",
    [
        "tasks/7/cards/default-0123.html",
        "steps/train/tasks/7/default-0123.html",
        "steps/train/tasks/7/drawn/default-0123.html",
        "else",
    ],
)
def test_a_file_elsewhere_is_no_silent_lack_of_cards(file: str) -> None:
    with pytest.raises(ValueError, match=f"{file} is at no place"):
        having_cards("F", "kfp-1", [file])
