"""Statuses, ends, durations and counts of random histories, held against a plain oracle on each store."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from ui_demo.tables import Record

from . import oracle
from .conftest import NOW, Ui
from .histories import Histories

pytestmark = pytest.mark.server

_DERIVED_OF_RUN = ("status", "finished_at", "duration")
_DERIVED_OF_ATTEMPT = ("attempt_id", "started_at", "finished_at", "status", "duration")


@pytest.mark.parametrize(("seed", "number"), [(1, 50), pytest.param(2, 500, marks=pytest.mark.long)], ids=["50", "500"])
def test_what_is_derived_equals_the_oracle(new_ui: Callable[..., Ui], seed: int, number: int) -> None:
    ui, histories = new_ui(), Histories(seed, NOW)
    runs = [histories.run() for _ in range(number)]
    rows = histories.rows
    ui.write(rows)

    shown = {(run["flow_id"], run["run_number"]): run for run in ui.all("/runs")}
    assert shown.keys() == {(run["flow_id"], run["run_number"]) for run in runs}
    for run in runs:
        found = shown[run["flow_id"], run["run_number"]]
        assert _only(found, _DERIVED_OF_RUN) == oracle.run(rows, run, NOW), run
        path = f"/flows/{run['flow_id']}/runs/{run['run_id'] or run['run_number']}"
        assert ui.get(path) == found
        _check_attempts(ui, histories, run, path)
        _check_steps(ui, histories, run, path)
    for status in ("running", "completed", "failed"):
        _check_found(ui, status, {number for (_, number), run in shown.items() if run["status"] == status})


def _check_attempts(ui: Ui, histories: Histories, run: Record, path: str) -> None:
    expected = {
        (task["task_id"], attempt["attempt_id"]): attempt
        for task in histories.rows.tables["tasks_v3"]
        if _of_run(task, run)
        for attempt in oracle.attempts(histories.rows, task, NOW)
    }
    shown = ui.all(f"{path}/tasks")
    found = {(attempt["task_id"], attempt["attempt_id"]): _only(attempt, _DERIVED_OF_ATTEMPT) for attempt in shown}
    assert found == expected
    assert len(shown) == len(expected)
    # One a run: the question is the same as for all of them.
    for task in shown[:1]:
        of_task = f"{path}/steps/{task['step_name']}/tasks/{task['task_name'] or task['task_id']}"
        newest = max((attempt for attempt in shown if attempt["task_id"] == task["task_id"]), key=_number)
        assert ui.get(of_task) == newest
        assert [
            attempt["attempt_id"] for attempt in ui.all(of_task + "/attempts", query={"_order": "+attempt_id"})
        ] == [number for of, number in sorted(expected) if of == task["task_id"]]


def _check_steps(ui: Ui, histories: Histories, run: Record, path: str) -> None:
    shown = {step["step_name"]: step for step in ui.all(f"{path}/steps")}
    steps = [step for step in histories.rows.tables["steps_v3"] if _of_run(step, run)]
    assert shown.keys() == {step["step_name"] for step in steps}
    for step in steps:
        expected = oracle.step(histories.rows, step, NOW)
        assert _only(shown[step["step_name"]], tuple(expected)) == expected


def _check_found(ui: Ui, status: str, expected: set[int]) -> None:
    """Runs are found and sorted by what is derived."""
    assert expected
    found = ui.all("/runs", 17, {"status": status, "_order": "-duration"})
    assert {run["run_number"] for run in found} == expected
    assert len(found) == len(expected)
    durations = [run["duration"] for run in found]
    known = [duration for duration in durations if duration is not None]
    assert durations == sorted(known, reverse=True) + [None] * (len(durations) - len(known))


def _only(record: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: record[name] for name in names}


def _of_run(row: Record, run: Record) -> bool:
    return (row["flow_id"], row["run_number"]) == (run["flow_id"], run["run_number"])


def _number(attempt: dict[str, Any]) -> int:
    number: int = attempt["attempt_id"]
    return number
