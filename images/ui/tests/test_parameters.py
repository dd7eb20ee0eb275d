"""Runs by the values of their parameters, on each store."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from ui_demo.tables import Rows

from ui_backend.reading.parameters import holding

from .conftest import NOW, Ui

_GIVEN: tuple[dict[str, Any], ...] = (
    {"rate": 0.1, "depth": 6, "text": "a=b"},
    {"rate": 0.1, "depth": 8, "full": True, "text": None},
    {"rate": "0.1", "depth": 6.0, "full": False, "text": "réessai"},
)


def _rows() -> Rows:
    rows = Rows()
    rows.add("flows_v3", {"flow_id": "F", "ts_epoch": NOW})
    for number, given in enumerate(_GIVEN, 1):
        run = {"flow_id": "F", "run_number": number, "ts_epoch": NOW + number}
        rows.add("runs_v3", run)
        for step, task in (("_parameters", 1), ("start", 2)):
            row = {**run, "step_name": step}
            rows.add("steps_v3", row)
            rows.add("tasks_v3", {**row, "task_id": number * 10 + task})
            # A step that changes a parameter's name has another artifact of it; that is not what the run was given.
            values = given if step == "_parameters" else {"rate": 0.5}
            for name, value in values.items():
                sha = hashlib.sha1(pickle.dumps(value, 4)).hexdigest()
                place = {"location": "l", "ds_type": "local", "sha": sha, "attempt_id": 0, "name": name}
                rows.add("artifact_v3", {**row, "task_id": number * 10 + task, **place})
    return rows


@pytest.fixture(scope="module")
def ui(new_ui: Callable[..., Ui]) -> Ui:
    made = new_ui()
    made.write(_rows())
    return made


@pytest.mark.server
@pytest.mark.parametrize(
    ("given", "found"),
    [
        (["rate=0.1"], [3, 2, 1]),
        (["depth=6"], [3, 1]),
        (["depth=6.0"], [3]),
        (["rate=0.1", "depth=8"], [2]),
        (["full=true"], [2]),
        (["text=none"], [2]),
        (["text=a=b"], [1]),
        (["text=réessai"], [3]),
        (["rate=0.5"], []),
        (["other=1"], []),
        (["rate='; DROP TABLE runs_v3; --"], []),
        (["rate=" + "9" * 5000], []),
    ],
)
def test_runs_are_found_by_their_parameters(ui: Ui, given: list[str], found: list[int]) -> None:
    query = "&".join(f"_parameter={value}" for value in given)
    for order in ("", "&_order=status,-ts_epoch"):
        assert [run["run_number"] for run in ui.get(f"/runs?{query}{order}")] == found


@pytest.mark.server
@pytest.mark.parametrize("text", ["rate", "=1", ""])
def test_what_names_no_value_is_refused(ui: Ui, text: str) -> None:
    assert "names no value" in ui.get("/runs", {"_parameter": text}, 400)["message"]


@pytest.mark.parametrize("text", ["1_000", "٣", "0x10", "9" * 41])
def test_what_python_alone_takes_for_a_number_is_text(text: str) -> None:
    assert len(holding("x", text).checksums) == 2
