"""Trying again is bounded, and only for what may get better."""

from __future__ import annotations

import pytest

from release_setup.errors import Away, Refused
from release_setup.patience import LONGEST_PAUSE, patiently


class Clock:
    """Time that passes only in pauses."""

    def __init__(self) -> None:
        self.now = 0.0
        self.pauses: list[float] = []

    def read(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.pauses.append(seconds)


class Attempts:
    """Raises each of `outcomes` in turn, then gives "done"."""

    def __init__(self, *outcomes: Exception) -> None:
        self.left = list(outcomes)

    def __call__(self) -> str:
        if self.left:
            raise self.left.pop(0)
        return "done"


def test_the_first_success_is_the_result() -> None:
    clock = Clock()
    attempts = Attempts(Away("early"), Away("early"))
    assert patiently(attempts, within=60, clock=clock.read, sleep=clock.sleep) == "done"
    assert clock.pauses == [0.5, 1.0]


def test_the_last_reason_comes_out_when_the_time_is_over() -> None:
    clock = Clock()
    attempts = Attempts(*(Away(f"attempt {number}") for number in range(100)))
    with pytest.raises(Away, match="attempt"):
        patiently(attempts, within=60, clock=clock.read, sleep=clock.sleep)
    assert clock.now == 60
    assert max(clock.pauses) == LONGEST_PAUSE


def test_what_is_wrong_is_not_tried_again() -> None:
    clock = Clock()
    with pytest.raises(Refused):
        patiently(Attempts(Refused("bad")), within=60, clock=clock.read, sleep=clock.sleep)
    assert clock.pauses == []
