"""Where a task's artifacts come from, on graphs small enough to be read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import pytest

from metaflow_extensions.tributary.plugins.kubeflow_pipelines.pod.inputs import (
    Astray,
    Path,
    TaskPlace,
    arrived,
    check_path,
    inputs,
    split_index,
)
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.record import GangRecord, StepKind, StepRecord


def step(
    kind: StepKind, previous: str = "", next: str = "", splits: str = "", foreaches: str = "", join: str | None = None
) -> StepRecord:
    """A step by the words of its neighbours."""
    return StepRecord(
        kind=kind,
        in_funcs=tuple(previous.split()),
        out_funcs=tuple(next.split()),
        split_parents=tuple(splits.split()),
        matching_join=join,
        foreach_parents=tuple(foreaches.split()),
        user_code_retries=0,
        error_retries=0,
        minutes_between_retries=0,
        timeout_seconds=None,
        environment={},
        decospecs=(),
    )


# outer foreach over a split whose left arm is a foreach of its own.
STEPS = {
    "start": step("foreach", next="fork", join="outer_join"),
    "fork": step("split", "start", "left right", "start", "start", "fork_join"),
    "left": step("foreach", "fork", "inner", "start fork", "start", "inner_join"),
    "inner": step("linear", "left", "after", "start fork left", "start left"),
    "after": step("linear", "inner", "inner_join", "start fork left", "start left"),
    "inner_join": step("join", "after", "fork_join", "start fork left", "start"),
    "right": step("linear", "fork", "fork_join", "start fork", "start"),
    "fork_join": step("join", "inner_join right", "outer_join", "start fork", "start"),
    "outer_join": step("join", "fork_join", "end", "start"),
    "end": step("end", "outer_join"),
}
WIDTHS = {("start", ()): 2, ("left", (0,)): 3, ("left", (1,)): 1}


@dataclass(frozen=True)
class Stored:
    """What tasks have stored: the widths of foreaches, and where tasks went on to."""

    widths: Mapping[tuple[str, Path], int] = field(default_factory=dict)
    next: Mapping[TaskPlace, str] = field(default_factory=dict)

    def splits(self, step: str, path: Path) -> int:
        return self.widths[step, path]

    def went_on_to(self, places: Sequence[TaskPlace]) -> list[list[str]]:
        return [self.next.get(place, "").split() for place in places]

    def last_round(self, step: str, path: Path) -> int:
        return max((place.round for place in self.next if (place.step, place.path) == (step, path)), default=0)


@pytest.mark.parametrize(
    ("name", "path", "wanted"),
    [
        ("start", (), []),
        ("fork", (1,), [("start", ())]),
        ("left", (1,), [("fork", (1,))]),
        ("inner", (0, 2), [("left", (0,))]),
        ("after", (0, 2), [("inner", (0, 2))]),
        ("inner_join", (0,), [("after", (0, 0)), ("after", (0, 1)), ("after", (0, 2))]),
        ("inner_join", (1,), [("after", (1, 0))]),
        ("fork_join", (1,), [("inner_join", (1,)), ("right", (1,))]),
        ("outer_join", (), [("fork_join", (0,)), ("fork_join", (1,))]),
        ("end", (), [("outer_join", ())]),
    ],
)
def test_inputs(name: str, path: Path, wanted: list[tuple[str, Path]]) -> None:
    found = inputs(STEPS, TaskPlace(name, path), Stored(WIDTHS))
    assert found == [TaskPlace(step, at) for step, at in wanted]


@pytest.mark.parametrize(
    ("name", "path", "wanted"),
    [("start", (), None), ("fork", (1,), 1), ("inner", (0, 2), 2), ("after", (0, 2), None), ("inner_join", (0,), None)],
)
def test_only_the_first_step_of_a_body_is_told_its_split(name: str, path: Path, wanted: int | None) -> None:
    assert split_index(STEPS, TaskPlace(name, path)) == wanted


def test_a_path_of_the_wrong_length_is_refused() -> None:
    with pytest.raises(ValueError, match="step inner: got 1 foreach indices for the foreaches start, left"):
        check_path(STEPS, "inner", [0])


# A foreach whose body is a switch: one arm is a step that may follow itself, one is two steps, one shares their last.
CHOOSING = {
    "start": step("foreach", next="pick", join="join"),
    "pick": step("split-switch", "start", "again first second", "start", "start"),
    "again": step("split-switch", "pick", "again last", "start", "start"),
    "first": step("linear", "pick", "second", "start", "start"),
    "second": step("linear", "first pick", "join", "start", "start"),
    "last": step("linear", "again", "join", "start", "start"),
    "join": step("join", "last second", "end", "start"),
    "end": step("end", "join"),
}


def places(text: str) -> dict[TaskPlace, str]:
    """Tasks in words: "step/index/round>next"."""
    found = {}
    for word in text.split():
        task, _, next = word.partition(">")
        name, index, round = task.split("/")
        found[TaskPlace(name, (int(index),), int(round))] = next
    return found


RAN = Stored(
    {("start", ()): 3},
    places(
        "pick/0/0>again again/0/0>again again/0/1>last last/0/0>join pick/1/0>first first/1/0>second second/1/0>join"
    )
    | places("pick/2/0>second second/2/0>join"),
)


@pytest.mark.parametrize(
    ("place", "wanted"),
    [
        (TaskPlace("again", (0,)), [TaskPlace("pick", (0,))]),
        (TaskPlace("again", (0,), 1), [TaskPlace("again", (0,))]),
        (TaskPlace("last", (0,)), [TaskPlace("again", (0,), 1)]),
        (TaskPlace("second", (1,)), [TaskPlace("first", (1,))]),
        (TaskPlace("second", (2,)), [TaskPlace("pick", (2,))]),
        (TaskPlace("join", ()), [TaskPlace("last", (0,)), TaskPlace("second", (1,)), TaskPlace("second", (2,))]),
    ],
)
def test_where_a_switch_chose_the_tasks_that_ran_are_found(place: TaskPlace, wanted: list[TaskPlace]) -> None:
    assert inputs(CHOOSING, place, RAN) == wanted


def test_a_join_of_two_foreaches_finds_the_one_that_ran() -> None:
    """A switch may choose between two foreach steps over the same body."""
    steps = {
        "start": step("split-switch", next="few many"),
        "few": step("foreach", "start", "body", join="join"),
        "many": step("foreach", "start", "body", join="join"),
        "body": step("linear", "few many", "join", "many", "many"),
        "join": step("join", "body", "end", "many"),
        "end": step("end", "join"),
    }
    ran = Stored({("few", ()): 2}, {TaskPlace("start", ()): "few", TaskPlace("few", ()): "body"})
    assert inputs(steps, TaskPlace("body", (1,)), ran) == [TaskPlace("few", ())]
    assert inputs(steps, TaskPlace("join", ()), ran) == [TaskPlace("body", (0,)), TaskPlace("body", (1,))]


# A foreach that ends at one join or another, in front of a switch whose ways share steps.
TURNS = {
    "start": step("foreach", next="look", join="join_b"),
    "look": step("split-switch", "start", "a b", "start", "start"),
    "a": step("linear", "look", "join_a", "start", "start"),
    "b": step("linear", "look", "join_b", "start", "start"),
    "join_a": step("join", "a", "turn", "start"),
    "join_b": step("join", "b", "turn", "start"),
    "turn": step("split-switch", "join_a join_b", "wide late"),
    "wide": step("foreach", "turn", "inner", join="gather"),
    "inner": step("linear", "wide", "gather", "wide", "wide"),
    "gather": step("join", "inner", "late", "wide"),
    "late": step("linear", "gather turn", "end"),
    "end": step("end", "late"),
}


def ways(text: str) -> Stored:
    """Tasks in words, "step/index>next" or "step>next"; every foreach has two splits."""
    next = {}
    for word in text.split():
        task, _, following = word.partition(">")
        name, _, index = task.partition("/")
        next[TaskPlace(name, tuple(map(int, index)))] = following
    return Stored({("start", ()): 2, ("wide", ()): 2}, next)


def test_the_join_is_told_at_which_all_splits_arrived() -> None:
    ran = ways("start>look look/0>b look/1>b b/0>join_b b/1>join_b")
    assert arrived(TURNS, TaskPlace("start", ()), ("join_a", "join_b"), ran) == "join_b"
    assert inputs(TURNS, TaskPlace("join_b", ()), ran) == [TaskPlace("b", (0,)), TaskPlace("b", (1,))]
    back = ways("start>look look/0>a look/1>a a/0>join_a a/1>join_a")
    assert inputs(TURNS, TaskPlace("join_a", ()), back) == [TaskPlace("a", (0,)), TaskPlace("a", (1,))]


def test_splits_that_go_to_different_joins_are_astray() -> None:
    ran = ways("start>look look/0>a look/1>b a/0>join_a b/1>join_b")
    with pytest.raises(Astray, match=r"^the ways from start ended at different joins \(join_a, join_b\)"):
        arrived(TURNS, TaskPlace("start", ()), ("join_a", "join_b"), ran)


@pytest.mark.parametrize("ran", ["turn>late", "turn>wide wide>inner inner/0>gather inner/1>gather gather>late"])
def test_what_a_switch_led_to_is_found_past_what_stands_between(ran: str) -> None:
    assert arrived(TURNS, TaskPlace("turn", ()), ("late",), ways(ran)) == "late"


def test_the_join_of_a_gang_does_not_end_the_foreach_around_it() -> None:
    steps = {
        "start": step("foreach", next="lead", join="join"),
        "lead": step("linear", "start", "train", "start", "start"),
        "train": replace(step("linear", "lead", "gather", "start lead", "start"), gang=GangRecord({}, 60)),
        "gather": step("join", "train", "join", "start lead", "start"),
        "join": step("join", "gather", "end", "start"),
        "end": step("end", "join"),
    }
    ran = Stored({("start", ()): 2})
    assert inputs(steps, TaskPlace("gather", (1,)), ran) == [TaskPlace("train", (1,))]
    assert inputs(steps, TaskPlace("join", ()), ran) == [TaskPlace("gather", (0,)), TaskPlace("gather", (1,))]


def test_only_the_first_round_is_told_its_split() -> None:
    steps = {**CHOOSING, "start": step("foreach", next="again", join="join")}
    steps["again"] = step("split-switch", "start", "again last", "start", "start")
    assert split_index(steps, TaskPlace("again", (2,))) == 2
    assert split_index(steps, TaskPlace("again", (2,), 1)) is None
