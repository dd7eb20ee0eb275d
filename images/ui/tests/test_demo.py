"""The made-up runs: the same for the same seed, on both stores, and only into an empty database."""

from __future__ import annotations

from pathlib import Path

import pytest
from metadata_testbed.api import Api
from metadata_testbed.postgres import PostgresServer
from metadata_testbed.service import Service
from ui_demo.__main__ import main
from ui_demo.runs import Making, Wanted
from ui_demo.stored import Stored
from ui_demo.tables import Record

from .conftest import NOW, Ui


def _rows(folder: Path, seed: int) -> list[tuple[str, Record]]:
    making = Making(Wanted(12, (40,), 5, 3), NOW, Stored(folder), seed)
    return [(table, row) for rows in making.batches() for table, found in rows.tables.items() for row in found]


def test_a_seed_makes_the_same_runs(tmp_path: Path) -> None:
    first = _rows(tmp_path, 7)
    assert first == _rows(tmp_path, 7)
    assert first != _rows(tmp_path, 8)
    assert sum(table == "runs_v3" for table, _ in first) == 13


@pytest.mark.server
def test_they_are_shown(ui: Ui, tmp_path: Path) -> None:
    for rows in Making(Wanted(60, (), 30, 0), NOW, Stored(tmp_path)).batches():
        ui.write(rows)
    runs = ui.all("/runs")
    assert {run["status"] for run in runs} == {"completed", "failed", "running"}
    assert [run["status"] for run in runs].count("running") == 2
    failed = next(run for run in runs if run["status"] == "failed")
    tasks = ui.all(f"/flows/{failed['flow_id']}/runs/{failed['run_number']}/tasks")
    assert "failed" in {task["status"] for task in tasks}


@pytest.mark.server
@pytest.mark.parametrize("store", ["postgres", "sqlite"])
def test_the_command_fills_only_what_is_empty(
    store: str,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    database: str | Path = tmp_path / "demo" / "metadata.db"
    if store == "postgres":
        postgres: PostgresServer = request.getfixturevalue("postgres")
        database = postgres.create_database("demo")
        monkeypatch.setenv("MF_METADATA_DB_DSN", database)
    words = ["--folder", str(tmp_path / "demo"), "--runs", "5", "--stored", "2"]
    assert main(words) == 0
    assert "ui_backend serve" in capsys.readouterr().out
    assert main(words) == 2
    assert capsys.readouterr().err.startswith("The database holds flows already.")
    service = Service(tmp_path / "service.log", database)
    service.wait_until(within=120)
    api = Api(service.url)
    try:
        # The service counts on after the runs that were made up.
        assert api.new_run().endswith("/runs/6")
    finally:
        api.http.close()
        assert service.end() == 0
