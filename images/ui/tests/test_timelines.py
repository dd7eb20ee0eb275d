"""The timeline of a run tells of each attempt what the list of tasks tells of it."""

from __future__ import annotations

import pytest
from ui_demo.tables import Rows

from .conftest import NOW, Ui
from .histories import Histories

pytestmark = [pytest.mark.server, pytest.mark.slow]


def test_it_is_the_list_of_tasks_by_columns(ui: Ui) -> None:
    histories = Histories(11, NOW)
    runs = [histories.run() for _ in range(25)]
    ui.write(histories.rows)
    told = 0
    for run in runs:
        path = f"/flows/{run['flow_id']}/runs/{run['run_number']}"
        shown = ui.get(path + "/timeline")
        columns = (
            shown[name] for name in ("step", "task", "name", "attempt", "started", "finished", "status", "label")
        )
        found = [
            (shown["steps"][step], task, name, attempt, started, finished, shown["statuses"][status], label)
            for step, task, name, attempt, started, finished, status, label in zip(*columns, strict=True)
        ]
        listed = [
            (
                *(row["step_name"], row["task_id"], row["task_name"], row["attempt_id"]),
                row["ts_epoch"] if row["started_at"] is None else row["started_at"],
                *(row["finished_at"], row["status"], row["foreach_label"]),
            )
            for row in ui.all(path + "/tasks")
        ]
        assert sorted(found, key=repr) == sorted(listed, key=repr)
        assert [row[4] for row in found] == sorted(row[4] for row in found)
        assert shown["more"] is False
        told += len(found)
    assert told > 50


def test_a_run_without_tasks_and_one_that_is_not_there(ui: Ui) -> None:
    rows = Rows()
    rows.add("flows_v3", {"flow_id": "F", "ts_epoch": NOW})
    rows.add("runs_v3", {"flow_id": "F", "run_number": 1, "ts_epoch": NOW})
    ui.write(rows)
    assert ui.get("/flows/F/runs/1/timeline")["task"] == []
    ui.get("/flows/F/runs/2/timeline", status=404)
