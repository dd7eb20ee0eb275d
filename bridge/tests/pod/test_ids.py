"""Ids are computed in every pod alike, so what they are is a promise."""

from itertools import product

import pytest

from metaflow_extensions.tributary.plugins.kubeflow_pipelines.pod import ids


@pytest.mark.parametrize(
    ("step", "path", "task"),
    [("start", (), "t-start"), ("train", (3,), "t-train-3"), ("score_all", (3, 0), "t-score_all-3-0")],
)
def test_a_task_is_named_by_its_step_and_its_indices(step: str, path: tuple[int, ...], task: str) -> None:
    assert ids.task_id(step, path) == task


def test_no_two_tasks_of_a_run_share_an_id() -> None:
    steps = ("a", "a_1", "a1", "_a")
    paths = [(), *product(range(12)), *product(range(12), repeat=2)]
    assert len({ids.task_id(step, path) for step in steps for path in paths}) == len(steps) * len(paths)


def test_an_id_is_none_that_metaflow_would_take_for_its_own_number() -> None:
    assert not ids.task_id("end", (1, 2)).isdigit()
    assert not ids.run_id("0").isdigit()


def test_a_pathspec_has_none_of_the_letters_that_separate_input_paths() -> None:
    assert not set(ids.pathspec(ids.run_id("9f-1"), "join_all", (0, 1))) & set(",:!")
