"""Where a task's artifacts come from, on graphs small enough to be read."""

import pytest

from metaflow_extensions.tributary.plugins.kubeflow_pipelines.pod.inputs import (
    Path,
    TaskPlace,
    check_path,
    inputs,
    split_index,
)
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.record import StepKind, StepRecord


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


def splits(name: str, path: Path) -> int:
    return WIDTHS[name, path]


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
    found = inputs(STEPS, TaskPlace(name, path), splits)
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
