"""How runs end: the waits do not take an old end for a new one, and a task that is done twice is found."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace
from typing import Any

import pytest

from laptop import ends
from laptop.compare import Place, SeenTask
from laptop.eventually import NotYet


class Kubeflow:
    """Gives the states of one run, the next one each time it is asked; the last stays. From the place `anew` on it has
    forgotten the states before.
    """

    def __init__(self, *states: str, anew: int = 0) -> None:
        self.states, self.anew, self.asked = states, anew, 0

    def get_run(self, run_id: str) -> Any:
        assert run_id == "abc"
        self.asked = min(self.asked + 1, len(self.states))
        first = self.anew if self.asked > self.anew else 0
        history = [SimpleNamespace(state=self.states[at], update_time=at) for at in range(first, self.asked)]
        return SimpleNamespace(state=self.states[self.asked - 1], state_history=history)


def test_the_end_is_waited_for() -> None:
    kubeflow = Kubeflow("PENDING", "RUNNING", "FAILED")
    assert ends.end_state(kubeflow, "kfp-abc", within=30) == "FAILED"
    with pytest.raises(NotYet, match="kfp-abc is RUNNING"):
        ends.end_state(Kubeflow("RUNNING"), "kfp-abc", within=0)


def test_the_end_before_a_retry_is_not_the_end_after_it() -> None:
    kubeflow = Kubeflow("FAILED", "RUNNING", "SUCCEEDED")
    with ends.end_again(kubeflow, "kfp-abc", within=30) as ended:
        assert kubeflow.asked == 1
    assert ended.state == "SUCCEEDED"


def test_a_history_that_begins_anew_is_a_run_that_goes_on() -> None:
    kubeflow = Kubeflow("FAILED", "RUNNING", "FAILED", "FAILED", anew=1)
    with ends.end_again(kubeflow, "kfp-abc", within=30) as ended:
        pass
    assert ended.state == "FAILED"


def test_what_status_says_is_told_by_step() -> None:
    tasks = [
        {"step": "start", "indexes": [], "error": None},
        {"step": "work", "indexes": [1, 0], "error": "its pod was deleted while it ran"},
    ]
    assert ends.errors({"tasks": tasks}) == {"work[1][0]": "its pod was deleted while it ran"}


@pytest.mark.parametrize(("ok", "found"), [(0, set()), (1, {Place("work")})])
def test_only_what_is_recorded_as_done_is_done(ok: int, found: set[Place], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ends, "tasks", lambda run, cards: {Place("work"): _task(ok)})
    assert set(ends.done_once(None)) == found


def test_a_task_that_is_done_twice_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ends, "tasks", lambda run, cards: {Place("work"): _task(2)})
    with pytest.raises(AssertionError, match="work is recorded as done 2 times"):
        ends.done_once(None)


def _task(ok: int) -> SeenTask:
    outcomes = Counter({("attempt_ok", "True"): ok, ("attempt_ok", "False"): 3})
    return SeenTask("F/r/work/t-work", 0, {}, None, (), (), (), frozenset(), outcomes, (), frozenset(), frozenset())
