"""A start-up skips what is done, says what it does, and names the step that failed."""

from __future__ import annotations

import re

import pytest

from cluster import steps
from cluster.errors import Failed, Refused
from cluster.steps import Say, Step


class Work:
    """Three steps over a set of what is done."""

    def __init__(self, *done: str, failing: str = "") -> None:
        self.done = set(done)
        self.failing = failing
        self.ran: list[str] = []
        self.lines: list[str] = []

    def steps(self) -> list[Step]:
        return [self._step(name) for name in ("one", "two", "three")]

    def _step(self, name: str) -> Step:
        def do(say: Say) -> None:
            say(f"doing {name}")
            if name == self.failing:
                raise Failed("It broke. Look at its.log.")
            self.ran.append(name)
            self.done.add(name)

        return Step(name, lambda: name in self.done, do)

    def words(self) -> list[str]:
        return [" ".join(re.sub(r"[\d.]+ s", "", line).split()) for line in self.lines]


def test_what_is_done_is_not_done_again() -> None:
    work = Work("one")
    steps.run(work.steps(), work.lines.append)
    assert work.ran == ["two", "three"]
    assert work.words() == ["one done", "two ... doing two", "two ran", "three ... doing three", "three ran"]


def test_every_line_tells_the_seconds() -> None:
    work = Work()
    steps.run(work.steps(), work.lines.append)
    assert all(re.search(r"\d s", line) for line in work.lines)


def test_a_failed_step_is_named_with_its_log_and_the_way_on() -> None:
    work = Work(failing="two")
    with pytest.raises(Failed) as failed:
        steps.run(work.steps(), work.lines.append)
    assert "two: It broke. Look at its.log." in str(failed.value)
    assert "--from two" in str(failed.value)
    assert work.words()[-1] == "two failed"
    assert work.ran == ["one"]


def test_one_step_can_be_run_again_though_it_is_done() -> None:
    work = Work("one", "two", "three")
    chosen, forced = steps.select(work.steps(), only="two")
    steps.run(chosen, work.lines.append, force_first=forced)
    assert work.ran == ["two"]


def test_from_a_step_on_only_that_step_is_forced() -> None:
    work = Work("one", "two", "three")
    chosen, forced = steps.select(work.steps(), start="two")
    steps.run(chosen, work.lines.append, force_first=forced)
    assert work.ran == ["two"]
    assert work.words()[-1] == "three done"


def test_an_unknown_step_is_refused_with_the_known_ones() -> None:
    with pytest.raises(Refused, match=r"'four'.*one, two, three"):
        steps.select(Work().steps(), only="four")


def test_a_dry_run_runs_nothing() -> None:
    work = Work("one")
    steps.show(work.steps(), work.lines.append)
    assert work.ran == []
    assert work.words() == ["one done", "two would run", "three would run"]
