"""Logs, cards, artifacts and the graph of a run of Metaflow; and rows that point where they must not."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from metadata_testbed.service import Service, environment
from minio import Minio
from ui_demo.tables import Record, Rows

from ui_backend.datastore.artifacts import preview
from ui_backend.datastore.files import BucketFiles, DatastoreAway, LocalFiles, NotStored, impatient
from ui_backend.datastore.logs import Log
from ui_backend.datastore.roots import DatastoreSettings

from .conftest import NOW, Ui

pytestmark = [pytest.mark.server, pytest.mark.slow]

_FLOW = Path(__file__).parent / "flows" / "stored_flow.py"
_RUN = "/flows/StoredFlow/runs/1"


@pytest.fixture(scope="module")
def folder(new_ui: Callable[..., Ui], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of one store alone."""
    return tmp_path_factory.mktemp("flows")


@pytest.fixture(scope="module")
def ui(new_ui: Callable[..., Ui], folder: Path) -> Ui:
    """A backend on what one run of the flow has left."""
    made = new_ui(DatastoreSettings(local_root=str(folder)))
    service = Service(folder / "service.log", made.target)
    service.wait_until()
    settings = {
        "METAFLOW_DEFAULT_METADATA": "service",
        "METAFLOW_SERVICE_URL": service.url,
        "METAFLOW_DATASTORE_SYSROOT_LOCAL": str(folder),
        "METAFLOW_HOME": str(folder / "home"),
        "USERNAME": "ann",
    }
    done = subprocess.run(
        [sys.executable, str(_FLOW), "run", "--learning-rate", "0.25"],
        env=environment(**settings),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=500,
    )
    service.end()
    assert done.returncode == 0, done.stdout + done.stderr
    return made


@pytest.fixture(scope="module")
def task(ui: Ui) -> str:
    """The path of the task of the step start."""
    (found,) = ui.get(_RUN + "/steps/start/tasks")
    return f"{_RUN}/steps/start/tasks/{found['task_id']}"


def test_the_run_of_metaflow_is_derived(ui: Ui, task: str) -> None:
    assert ui.get(_RUN)["status"] == "completed"
    shown = ui.get(task)
    assert (shown["status"], shown["attempt_ok"], shown["attempt_id"]) == ("completed", True, 0)
    assert shown["finished_at"] >= shown["started_at"]


def test_logs_come_in_rows_as_upstream_gives_them(ui: Ui, task: str) -> None:
    rows = ui.get(task + "/logs/out", {"_limit": "10000"})
    lines = [row["line"] for row in rows]
    assert lines[lines.index("line 0") : lines.index("line 0") + 3] == ["line 0", "line 1", "line 2"]
    assert [row["row"] for row in rows] == list(range(len(rows)))
    assert all(isinstance(row["timestamp"], int) for row in rows)
    assert [row["line"] for row in ui.get(task + "/logs/out", {"_limit": "2", "_order": "-row"})] == lines[:-3:-1]
    assert "to err" in [row["line"] for row in ui.get(task + "/logs/err", {"_limit": "10000"})]


def test_windows_of_a_log_cover_it(ui: Ui, task: str) -> None:
    end = ui.get(task + "/logs/out/window", {"length": "4000"})
    assert end["end"] == end["size"]
    lines, start = [line["text"] for line in end["lines"]], end["start"]
    while start > 0:
        before = ui.get(task + "/logs/out/window", {"before": str(start), "length": "4000"})
        lines, start = [line["text"] for line in before["lines"]] + lines, before["start"]
    assert lines[lines.index("line 0") :][:500] == [f"line {number}" for number in range(500)]
    text = ui.fetch(task + "/logs/out/download").text
    assert text.splitlines() == lines
    hits = ui.get(task + "/logs/out/search", {"q": "LINE 499"})
    assert ([line["text"] for line in hits["lines"]], hits["next"]) == (["line 499"], None)
    at = hits["lines"][0]["at"]
    assert ui.get(task + "/logs/out/window", {"after": str(at), "length": "400"})["lines"][0]["text"] == "line 499"


def test_cards_are_fenced_in(ui: Ui, task: str) -> None:
    (card,) = ui.get(task + "/cards")
    assert card["type"] == "default"
    page = ui.fetch(f"{task}/cards/{card['hash']}")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers["content-security-policy"].startswith("sandbox allow-scripts; default-src 'none'")
    assert "connect-src 'none'" in page.headers["content-security-policy"]
    assert "allow-same-origin" not in page.headers["content-security-policy"]
    assert "<html" in page.text
    ui.get(f"{task}/cards/none", status=404)


def test_a_card_says_what_it_shows_while_its_task_runs(ui: Ui, task: str, folder: Path) -> None:
    (card,) = ui.get(task + "/cards")
    path = f"{task}/cards/{card['hash']}"
    # What Metaflow itself has left at the end of the task.
    assert ui.get(path + "/data") == {"reload_token": "final", "data": {}}
    assert ui.get(f"{task}/cards/none/data") is None
    (page,) = (folder / ".metaflow" / "mf.cards").glob(f"*/runs/*/steps/start/tasks/*/cards/*{card['hash']}.html")
    place = page.parent.parent / "runtime" / page.with_suffix(".data.json").name
    place.parent.mkdir(exist_ok=True)
    place.write_text('{"reload_token": "x", "data": {"a": [1]}, "created_on": 1.5}')
    assert ui.get(path + "/data") == {"reload_token": "x", "data": {"a": [1]}}
    # Half of it, for it is written again and again.
    place.write_text('{"reload_token": "x", "da')
    assert ui.get(path + "/data") is None
    assert "metaflow_card_update" in ui.fetch(path).text


def test_runs_are_found_by_what_metaflow_was_given(ui: Ui) -> None:
    for given, found in (("0.25", 1), ("0.250", 1), ("0.1", 0), ("x", 0)):
        assert len(ui.get("/runs", {"_parameter": f"learning_rate={given}"})) == found


def test_artifacts_are_previewed(ui: Ui, task: str) -> None:
    assert ui.get(task + "/artifacts/scores/preview")["value"] == {"a": [1, 2, 3]}
    thing = ui.get(task + "/artifacts/model/preview")
    assert (thing["kind"], thing["value"]["class"].rpartition(".")[2]) == ("part", "Model")
    ui.get(task + "/artifacts/none/preview", status=404)


def test_parameters_and_the_graph(ui: Ui) -> None:
    assert {name: one["value"] for name, one in ui.get(_RUN + "/parameters").items()} == {"learning_rate": 0.25}
    graph = ui.get(_RUN + "/dag")
    assert set(graph["steps"]) == {"start", "end"}
    assert graph["steps"]["start"]["next"] == ["end"]


def one_task(rows: Rows, ds_type: str, ds_root: str) -> Record:
    """A run of one task, which has recorded this datastore; gives the task's row."""
    rows.add("flows_v3", {"flow_id": "F", "ts_epoch": NOW})
    run = {"flow_id": "F", "run_number": 1, "ts_epoch": NOW}
    rows.add("runs_v3", run)
    rows.add("steps_v3", {**run, "step_name": "start"})
    task = {**run, "step_name": "start", "task_id": 1}
    rows.add("tasks_v3", task)
    for name, value in (("ds-type", ds_type), ("ds-root", ds_root)):
        rows.add("metadata_v3", {**task, "field_name": name, "value": value, "type": name})
    return task


@pytest.mark.parametrize(
    ("ds_type", "ds_root", "location", "words"),
    [
        ("local", "/etc", "/etc/passwd", "not among those"),
        ("local", "{root}/../..", "{root}/../../etc/passwd", "not among those"),
        ("local", "{root}", "{root}/../secret", "no path"),
        ("local", "{root}", "{root}/out/secret", "leads out"),
        ("local", "{root}", ":root:{root}", "no path"),
        ("local", "{root}", ":root:/etc", "not among those"),
        ("s3", "s3://other/metaflow", "s3://other/metaflow/x", "not among those"),
        ("azure", "x", "x/y", "not among those"),
    ],
)
def test_rows_cannot_point_outside(
    new_ui: Callable[..., Ui], tmp_path: Path, ds_type: str, ds_root: str, location: str, words: str
) -> None:
    root = tmp_path / ".metaflow"
    root.mkdir()
    (tmp_path / "secret").write_bytes(b"\x80\x04N.")
    (root / "out").symlink_to(tmp_path)
    ui, rows = new_ui(DatastoreSettings(local_root=str(tmp_path))), Rows()
    task = one_task(rows, ds_type, ds_root.format(root=root))
    artifact = {"name": "a", "ds_type": ds_type, "location": location.format(root=root), "attempt_id": 0}
    artifact["sha"] = "../../secret"
    rows.add("artifact_v3", {**task, **artifact})
    ui.write(rows)
    path = "/flows/F/runs/1/steps/start/tasks/1"
    ui.get(path + "/artifacts/a/preview", status=404)
    if "{root}" not in ds_root or "/.." in ds_root:
        assert words in ui.get(path + "/logs/out", status=404)["message"]
        ui.get(path + "/cards", status=404)
    else:
        assert words in ui.get(path + "/artifacts/a/preview", status=404)["message"]


def test_a_run_that_has_just_begun_has_no_parameters(new_ui: Callable[..., Ui], tmp_path: Path) -> None:
    ui, rows = new_ui(DatastoreSettings(local_root=str(tmp_path))), Rows()
    rows.add("flows_v3", {"flow_id": "F", "ts_epoch": NOW})
    rows.add("runs_v3", {"flow_id": "F", "run_number": 1, "ts_epoch": NOW})
    ui.write(rows)
    assert ui.get("/flows/F/runs/1/parameters") == {}
    ui.get("/flows/F/runs/2/parameters", status=404)
    ui.get("/flows/F/runs/1/dag", status=404)


def test_a_log_with_anything_in_it(tmp_path: Path) -> None:
    content = b"\xff\xfe\0\n\n50%\r100%\r\n[MFLOG|0|x" + b"y" * 300 + b"\nlast"
    (tmp_path / "log").write_bytes(content)
    log = Log(LocalFiles(tmp_path), "log")
    window = log.before(None, 10_000)
    assert [line.text for line in window.lines][1:3] == ["", "50%\r100%\r"]
    assert window.lines[-1].text == "last"
    whole = b"".join(content[line.at :].partition(b"\n")[0] + b"\n" for line in window.lines)
    assert whole == content + b"\n"
    assert [line.text for line in log.before(None, 7).lines] == ["last"]
    assert Log(LocalFiles(tmp_path), "none").before(None, 100).lines == []


def test_a_bucket_that_does_not_answer_is_said_so() -> None:
    client = Minio("127.0.0.1:1", "key", "secret", secure=False, http_client=impatient(0.5), region="us-east-1")
    with pytest.raises(DatastoreAway):
        BucketFiles(client, "bucket", "metaflow").size("x")
    with pytest.raises(NotStored):
        BucketFiles(client, "bucket", "metaflow").size("../x")


@pytest.fixture
def hanging() -> Iterator[str]:
    """The address of a store that takes every connection and never says anything."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def test_nothing_waits_for_a_datastore_that_hangs_but_what_asks_it(
    new_ui: Callable[..., Ui], hanging: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    ui, rows = new_ui(DatastoreSettings("s3://bucket/metaflow", hanging, seconds=10)), Rows()
    one_task(rows, "s3", "s3://bucket/metaflow")
    ui.write(rows)
    path = "/flows/F/runs/1/steps/start/tasks/1"
    # More than there are threads for datastores.
    logs = [
        asyncio.run_coroutine_threadsafe(ui.http.get(f"/api{path}/logs/out/window?n={number}"), ui.loop)
        for number in range(40)
    ]
    assert [run["run_number"] for run in ui.all("/runs")] == [1]
    assert ui.get(path)["task_id"] == 1
    assert not any(log.done() for log in logs)
    for log in logs:
        answer = log.result(120)
        assert answer.status_code == 503
        assert "in 10 s (MF_UI_DATASTORE_TIMEOUT)" in answer.json()["message"]


class Unread(LocalFiles):
    """Files of which only the size may be asked."""

    def read(self, path: str, start: int, length: int) -> bytes:
        raise AssertionError(f"{path} was read")


def test_an_artifact_of_5_gigabytes_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "artifact").open("wb") as file:
        file.truncate(5_000_000_000)
    found = preview(Unread(tmp_path), "artifact")
    assert (found.kind, found.size, found.value) == ("none", 5_000_000_000, None)
    assert found.why == "It is larger than 1 MiB and was not read."
