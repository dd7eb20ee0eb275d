"""Runs keep everything when they are carried from one place to another."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from metadata_service import cli
from metadata_service.settings import SqliteSettings
from metadata_service.transfer.bundles import Bundle, RunKey
from metadata_service.transfer.copying import Outcome, Wish, copy
from metadata_service.transfer.local import LocalFolder
from metadata_service.transfer.sqlite import SqliteTables

LOCAL_RUN = 1_764_115_200_123_456
"""Such a number as local metadata gives: the time in microseconds."""


def write(folder: Path, name: str, content: object) -> None:
    (folder / "_meta").mkdir(parents=True, exist_ok=True)
    (folder / "_meta" / name).write_text(json.dumps(content))


def thing(ts_epoch: int, **fields: object) -> dict[str, object]:
    return {"user_name": "ann", "tags": ["b", "a"], "system_tags": ["user:ann"], "ts_epoch": ts_epoch, **fields}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder as Metaflow leaves it: two runs of one flow, one of them with names of a scheduler."""
    root = tmp_path / "work" / ".metaflow"
    write(root / "Flow", "_self.json", {"flow_id": "Flow", "ts_epoch": 1})
    (root / "Flow" / "data" / "ab").mkdir(parents=True)
    for run, tasks, ts in ((str(LOCAL_RUN), ("1", "2"), 10), ("kfp-1", ("t-start", "7"), 20)):
        write(root / "Flow" / run, "_self.json", thing(ts, run_number=run))
        write(root / "Flow" / run / "start", "_self.json", thing(ts + 1))
        for task in tasks:
            place = root / "Flow" / run / "start" / task
            write(place, "_self.json", thing(ts + 2))
            for attempt in (0, 1):
                artifact = {
                    "name": "x",
                    "attempt_id": attempt,
                    "location": ":root:/s",
                    "ds_type": "local",
                    "sha": "f" * 40,
                }
                write(place, f"{attempt}_artifact_x.json", thing(ts + 3, **artifact, type="t", content_type="c"))
            for field, value, at in (("b", "2", 2), ("a", "1", 1), ("a", "é\n", 3)):
                datum = {"field_name": field, "value": value, "type": field, "tags": ["attempt_id:0"]}
                write(place, f"sysmeta_{field}_{at}.json", {"user_name": "ann", "ts_epoch": ts + at, **datum})
    return root.parent


def tables(file: Path) -> SqliteTables:
    return SqliteTables(SqliteSettings(file, 360))


def copied(source: Any, target: SqliteTables, **wish: Any) -> Outcome:
    return copy(source, target, Wish(**wish), lambda done, of: None)


def read(place: Any, run: int | str) -> Bundle:
    bundle: Bundle | None = place.read(RunKey("Flow", run))
    assert bundle is not None
    return bundle


def test_a_folder_of_local_metadata_keeps_its_ids(folder: Path, tmp_path: Path) -> None:
    source = LocalFolder(folder)
    assert source.runs() == [RunKey("Flow", LOCAL_RUN), RunKey("Flow", "kfp-1")]
    with contextlib.closing(tables(tmp_path / "m.db")) as target:
        outcome = copied(source, target)
        assert outcome.whole and dict(outcome.copied.rows) == {
            "flows": 1,
            "runs": 2,
            "steps": 2,
            "tasks": 4,
            "metadata": 12,
            "artifacts": 8,
        }
        assert outcome.verified == outcome.copied
        bundle = read(target, LOCAL_RUN)
        assert {task.task for task in bundle.tasks} == {1, 2}
        assert {task.task for task in read(target, "kfp-1").tasks} == {"t-start", 7}
        assert [(one.field_name, one.value) for one in bundle.metadata if one.task == 1] == [
            ("a", "1"),
            ("b", "2"),
            ("a", "é\n"),
        ]
        assert bundle.run.tags == '["b","a"]' and bundle.run.ts_epoch == 10
        # The next run gets a number as if nothing had been copied, not one after the time.
        assert target.rows("SELECT last FROM numbers WHERE of = 'run'") == [(1,)]


def test_a_second_time_nothing_is_to_be_done(folder: Path, tmp_path: Path) -> None:
    with contextlib.closing(tables(tmp_path / "m.db")) as target:
        copied(LocalFolder(folder), target)
        outcome = copied(LocalFolder(folder), target)
    assert (outcome.whole, outcome.same, outcome.copied.rows.total()) == (True, 2, 0)


def test_interrupted_it_goes_on(folder: Path, tmp_path: Path) -> None:
    class Interrupted(Exception):
        pass

    def interrupt(done: int, of: int) -> None:
        if done == 1:
            raise Interrupted

    with contextlib.closing(tables(tmp_path / "m.db")) as target:
        with pytest.raises(Interrupted):
            copy(LocalFolder(folder), target, Wish(), interrupt)
        assert len(target.runs()) == 1
        outcome = copied(LocalFolder(folder), target)
        assert (outcome.same, outcome.copied.rows["runs"]) == (1, 1)
        assert read(target, LOCAL_RUN).tally() == read(LocalFolder(folder), LOCAL_RUN).tally()


def test_a_run_is_stored_whole_or_not_at_all(folder: Path, tmp_path: Path) -> None:
    with contextlib.closing(tables(tmp_path / "m.db")) as target:
        target.rows("CREATE TRIGGER broken BEFORE INSERT ON artifact_v3 BEGIN SELECT raise(ABORT, 'no room'); END")
        outcome = copied(LocalFolder(folder), target)
        assert len(outcome.failed) == 2 and "no room" in outcome.failed[0]
        for table in ("runs_v3", "steps_v3", "tasks_v3", "metadata_v3"):
            assert target.rows(f"SELECT * FROM {table}") == []


def test_a_run_that_differs_is_left_unless_it_is_to_be_replaced(folder: Path, tmp_path: Path) -> None:
    with contextlib.closing(tables(tmp_path / "m.db")) as target:
        copied(LocalFolder(folder), target)
        target.rows("UPDATE metadata_v3 SET value = 'other' WHERE value = '2' AND run_id = 'kfp-1' AND task_id = 7")
        outcome = copied(LocalFolder(folder), target)
        assert (outcome.differing, outcome.same, outcome.whole) == ([RunKey("Flow", "kfp-1")], 1, False)
        outcome = copied(LocalFolder(folder), target, replace=True)
        assert outcome.whole and outcome.copied.rows["runs"] == 1
        assert read(target, "kfp-1").tally() == read(LocalFolder(folder), "kfp-1").tally()
        assert len(target.rows("SELECT 1 FROM metadata_v3")) == 12


def test_only_some_flows(folder: Path, tmp_path: Path) -> None:
    write(folder / ".metaflow" / "Other", "_self.json", {"flow_id": "Other", "ts_epoch": 1})
    write(folder / ".metaflow" / "Other" / "5", "_self.json", thing(5))
    with contextlib.closing(tables(tmp_path / "m.db")) as target:
        copied(LocalFolder(folder), target, flows=["Other"])
        assert target.runs() == [RunKey("Other", 5)]
        assert [flow.flow_id for flow in target.flows()] == ["Other"]


def test_the_command_says_what_it_did(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, second = str(tmp_path / "m.db"), str(tmp_path / "n.db")
    assert cli.main(["copy", "--dry-run", str(folder), file]) == 0
    told = capsys.readouterr().out
    assert "To be copied: 2 runs" in told and "8 artifacts" in told and not Path(file).exists()
    assert cli.main(["copy", str(folder), file]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"Copied: 2 runs from {folder / '.metaflow'} to {file}; 0 were there already."
    assert lines[1].partition(":")[2].strip() == lines[2].partition(":")[2].strip()
    assert cli.main(["copy", file, second]) == 0
    with contextlib.closing(tables(Path(second))) as copy_of_copy:
        assert read(copy_of_copy, "kfp-1").tally() == read(LocalFolder(folder), "kfp-1").tally()


def test_a_file_that_is_none_of_metaflows_is_told(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = folder / ".metaflow" / "Flow" / "kfp-1" / "start" / "7" / "_meta" / "0_artifact_x.json"
    broken.write_text("{")
    assert cli.main(["copy", str(folder), str(tmp_path / "m.db")]) == 1
    told = capsys.readouterr().out
    assert "Copied: 1 runs" in told and "1 runs could not be copied" in told and str(broken) in told


@pytest.mark.parametrize(
    ("places", "code", "words"),
    [
        (("nowhere", "m.db"), 1, "no such file or folder"),
        (("work", "work"), 2, "the same place"),
        (("work", "."), 1, "a folder can only be copied from"),
        (("work", "postgres"), 2, "MF_METADATA_DB_HOST"),
    ],
)
def test_places_that_cannot_be(
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    places: tuple[str, str],
    code: int,
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MF_METADATA_DB_DSN", raising=False)
    assert cli.main(["copy", *places]) == code
    assert words in capsys.readouterr().err


def test_a_number_that_is_taken_is_told(folder: Path, tmp_path: Path) -> None:
    with contextlib.closing(tables(tmp_path / "m.db")) as target:
        copied(LocalFolder(folder), target)
        # kfp-1 has taken the number 1 here.
        write(folder / ".metaflow" / "Flow" / "1", "_self.json", thing(30))
        outcome = copied(LocalFolder(folder), target)
    assert len(outcome.failed) == 1 and "taken by another" in outcome.failed[0]


def test_a_file_of_a_service_at_work_is_read_in_one_state(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "m.db"
    with contextlib.closing(tables(file)) as target:
        copied(LocalFolder(folder), target)
        with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as writer, target.transaction():
            before = target.rows("SELECT count(*) FROM metadata_v3")
            writer.execute("DELETE FROM metadata_v3")
            assert target.rows("SELECT count(*) FROM metadata_v3") == before
