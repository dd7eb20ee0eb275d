"""What changes reaches everybody who listens, on each store: exactly, after gaps, through other replicas."""

from __future__ import annotations

import contextlib
import json
import random
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
import websocket
from metadata_testbed.api import Api
from metadata_testbed.postgres import PostgresServer
from metadata_testbed.service import Service, run_command
from metadata_testbed.waiting import eventually
from ui_demo.tables import Rows, write

from ui_backend.reading.changes import MOST

from .conftest import NOW, Ui
from .replicas import WAIT, Mirror, Replica, fetch_all

pytestmark = pytest.mark.server


@pytest.fixture(params=["postgres", "sqlite"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str | Path:
    if request.param == "sqlite":
        return tmp_path / "metadata.db"
    postgres: PostgresServer = request.getfixturevalue("postgres")
    return postgres.create_database(f"changes{request.node.name.encode().hex()[:40]}")


@pytest.fixture
def api(database: str | Path, tmp_path: Path) -> Iterator[Api]:
    """The metadata service, through which everything is written."""
    service = Service(tmp_path / "service.log", database)
    service.wait_until(within=WAIT)
    client = Api(service.url)
    yield client
    client.http.close()
    assert service.end() == 0


@pytest.fixture
def start(database: str | Path, tmp_path: Path) -> Iterator[Callable[[], Replica]]:
    started: list[Replica] = []

    def make() -> Replica:
        started.append(Replica(tmp_path / f"ui{len(started)}.log", database))
        started[-1].wait_until_ready()
        return started[-1]

    yield make
    for replica in started:
        replica.kill()
        replica.disconnect()
    assert [line for replica in started for line in replica.log_lines() if "traceback" in line] == []


class Changing:
    """Somebody who runs flows, tags and removes runs, at random."""

    def __init__(self, api: Api, seed: int) -> None:
        self._api, self._random = api, random.Random(seed)
        self._flow = api.new_flow()
        self._runs: list[str] = []
        self._tasks: list[str] = []

    def one(self) -> None:
        pick = self._random
        if not self._runs or pick.random() < 0.15:
            self._runs.append(self._api.new_run(self._flow, tags=["new"]))
            return
        run = pick.choice(self._runs)
        kind = pick.choice(["task", "task", "mark", "mark", "artifact", "tag", "delete"])
        if kind == "task":
            step = pick.choice(["start", "end"])
            self._api.http.post(f"{run}/steps/{step}/step", json={})
            self._tasks.append(self._api.new_task(f"{run}/steps/{step}"))
        elif kind == "tag":
            self._api.patch(f"{run}/tag/mutate", {"tags_to_add": [f"t{pick.randrange(100)}"], "tags_to_remove": []})
        elif kind == "delete" and pick.random() < 0.3:
            assert self._api.http.delete(run).status_code == 200
            self._runs.remove(run)
            self._tasks = [task for task in self._tasks if not task.startswith(run + "/")]
        elif self._tasks:
            self._below(pick.choice(self._tasks), kind)

    def _below(self, task: str, kind: str) -> None:
        if kind == "artifact":
            artifact = {"name": "_task_ok", "location": "l", "ds_type": "local", "attempt_id": 0}
            self._api.post(f"{task}/artifact", [artifact])
            return
        name, value = self._random.choice([("attempt", "0"), ("attempt_ok", "True"), ("attempt_ok", "False")])
        mark = {"field_name": name, "value": value, "type": name, "tags": ["attempt_id:0"]}
        self._api.post(f"{task}/metadata", [mark])


@pytest.mark.slow
@pytest.mark.parametrize("number", [100, pytest.param(1000, marks=pytest.mark.long)])
def test_every_client_ends_equal_to_the_database(api: Api, start: Callable[[], Replica], number: int) -> None:
    replicas = [start(), start()]
    changing = Changing(api, number)
    for _ in range(10):
        changing.one()
    mirrors = [Mirror(replicas[::-1] if odd else replicas) for odd in (0, 1, 0)]
    try:
        for count in range(number):
            changing.one()
            if count % 25 == 10:
                # A crash, and the other way an end that clients are told of.
                victim = replicas[count // 25 % 2]
                victim.wait_until_ready()
                if count // 50 % 2:
                    assert victim.end() == 0
                else:
                    victim.kill()
                victim.start()
        for replica in replicas:
            replica.wait_until_ready()
        with httpx.Client(base_url=replicas[0].url, timeout=WAIT) as http:
            expected = fetch_all(http)
        assert len(expected) > 3

        def look() -> str | None:
            for mirror in mirrors:
                with mirror.lock:
                    wrong = {key for key in expected.keys() | mirror.seen if expected.get(key) != mirror.seen.get(key)}
                if wrong:
                    return f"of {len(expected)} runs differ {sorted(wrong)}"
            return None

        eventually(look, within=WAIT)
        # They knew by what they were told, not by looking at everything again.
        assert [mirror.resets for mirror in mirrors] == [0, 0, 0]
        assert max(mirror.connections for mirror in mirrors) > 1
    finally:
        for mirror in mirrors:
            mirror.end()


def _next(socket: websocket.WebSocket) -> Any:
    return json.loads(socket.recv())


def test_a_client_that_comes_back_is_told_what_it_missed(api: Api, start: Callable[[], Replica]) -> None:
    replica = start()
    run = api.new_run()
    flow, number = run.split("/")[2], int(run.split("/")[4])
    socket = replica.connect("/changes")
    first = _next(socket)
    assert set(first) == {"cursor"}
    api.patch(f"{run}/tag/mutate", {"tags_to_add": ["a"], "tags_to_remove": []})
    told = _next(socket)
    assert told["changes"] == [
        {"kind": "run", "op": "UPDATE", "flow_id": flow, "run_number": number, "step_name": None, "task_id": None}
    ]
    socket.send("__ping__")
    assert socket.recv() == "__pong__"
    # It is told to come back when the process ends, at once.
    assert replica.end() == 0
    assert socket.recv_data()[1][:2] == (1012).to_bytes(2, "big")
    task = api.new_task(api.new_step(run))
    replica.start()
    replica.wait_until_ready()
    missed = _next(replica.connect(f"/changes?since={told['cursor']}&run_number={number}"))
    kinds = [(one["kind"], one["step_name"]) for one in missed["changes"]]
    # The run too: its first task is its first sign of life after the silence of an old client.
    assert [kind for kind in kinds if kind[0] != "run"] == [("step", "start"), ("task", "start")]
    assert str(missed["changes"][-1]["task_id"]) == task.rpartition("/")[2]
    elsewhere = _next(replica.connect(f"/changes?since={told['cursor']}&flow_id=Elsewhere"))
    assert set(elsewhere) == {"cursor"}


def test_a_heartbeat_is_no_change_unless_it_ends_a_silence(ui: Ui, client: Callable[[str], Any]) -> None:
    ui.write(_runs([1, 2]))
    cursor = client("")["cursor"]
    _update(ui, f"UPDATE runs_v3 SET last_heartbeat_ts = {NOW // 1000} WHERE run_number = 1")
    told = client(cursor)
    assert [one["run_number"] for one in told["changes"]] == [1]
    _update(ui, f"UPDATE runs_v3 SET last_heartbeat_ts = {NOW // 1000 + 9}")
    assert [one["run_number"] for one in client(told["cursor"])["changes"]] == [2]


def test_who_missed_too_much_is_told_to_look_again(ui: Ui, client: Callable[[str], Any]) -> None:
    cursor = client("")["cursor"]
    ui.write(_runs(range(1, MOST + 1)))
    told = client(cursor)
    assert told["reset"] and "changes" not in told
    assert set(client(told["cursor"])) == {"cursor"}


@pytest.mark.parametrize(
    "cursor", ["x", "1-", "1-2", "-", "999999999999999-1:1:", "1-9:5:", "1-5:9:7,6", "1-5:9:", "٣-1"]
)
def test_a_cursor_that_is_none_is_a_reset(client: Callable[[str], Any], cursor: str) -> None:
    assert client(cursor)["reset"]


def test_old_changes_are_removed_on_the_way(ui: Ui, client: Callable[[str], Any]) -> None:
    ui.write(_runs(range(1, 600)))
    table = "tributary.changes" if isinstance(ui.target, str) else "changes"
    cursor = client("")["cursor"]
    _update(ui, f"UPDATE {table} SET at = at - 3700000")
    if isinstance(ui.target, str):
        # Once in a thousand statements, by chance.
        _update(ui, "SELECT tributary.trim_changes()")
    else:
        ui.write(_runs(range(600, 1200)))
    assert _update(ui, f"SELECT count(*) FROM {table} WHERE run_number < 600") == 0
    # Nothing was missed.
    assert "reset" not in client(cursor)


def test_nobody_who_commits_late_is_missed(postgres: PostgresServer, new_ui: Callable[..., Ui]) -> None:
    ui = new_ui()
    if isinstance(ui.target, Path):
        # There one writes at a time.
        return
    ui.write(_runs([1, 2]))
    with psycopg.connect(ui.target) as late, psycopg.connect(ui.target) as soon:
        update = "UPDATE runs_v3 SET tags = '[\"x\"]' WHERE run_number = %s"
        cursor = _ask(ui, "")["cursor"]
        late.execute(update, [1])
        soon.execute(update, [2])
        soon.commit()
        told = _ask(ui, cursor)
        assert [one["run_number"] for one in told["changes"]] == [2]
        late.commit()
        told = _ask(ui, told["cursor"])
        assert [one["run_number"] for one in told["changes"]] == [1]
        assert "changes" not in _ask(ui, told["cursor"])


def test_runs_that_fall_silent_are_told_of(ui: Ui, client: Callable[[str], Any]) -> None:
    rows = _runs([1, 2, 3])
    for run, heartbeat in zip(rows.tables["runs_v3"], (NOW // 1000 - 361, NOW // 1000 - 340, None), strict=True):
        run["last_heartbeat_ts"] = heartbeat
    ui.write(rows)
    _, _, seen = client("")["cursor"].partition("-")
    told = client(f"{NOW - 10_000}-{seen}")
    # The database's clock is not that of the test: the cursor is too old for all else.
    assert told["reset"] or [one["run_number"] for one in told["changes"]] == [1]
    found = ui.ask_reading(lambda reading: reading.changes.silent(f"{NOW - 10_000}-{seen}"))
    assert [change.run_number for change in found] == [1]


def test_marks_that_were_there_before_count(database: str | Path, start: Callable[[], Replica]) -> None:
    settings = {"MF_METADATA_DB_FILE" if isinstance(database, Path) else "MF_METADATA_DB_DSN": str(database)}
    assert run_command("migrate", **settings).returncode == 0
    rows = _runs([1, 2])
    task = {"flow_id": "F", "run_number": 1, "step_name": "end", "task_id": 1, "ts_epoch": NOW}
    rows.add("steps_v3", task)
    rows.add("tasks_v3", task)
    rows.add("metadata_v3", task | {"field_name": "attempt_ok", "value": "True", "type": "attempt_ok"})
    write(database, rows)
    replica = start()
    runs = httpx.get(f"{replica.url}/runs", params={"status": "completed"}, timeout=WAIT).json()["data"]
    assert [run["run_number"] for run in runs] == [1]


def test_marks_that_are_removed_count_no_more(ui: Ui) -> None:
    rows = _runs([1])
    task = {"flow_id": "F", "run_number": 1, "step_name": "end", "task_id": 1, "ts_epoch": NOW}
    rows.add("steps_v3", task)
    rows.add("tasks_v3", task)
    for value, at in (("False", NOW), ("True", NOW + 1)):
        rows.add(
            "metadata_v3", task | {"field_name": "attempt_ok", "value": value, "type": "attempt_ok", "ts_epoch": at}
        )
    ui.write(rows)
    assert ui.get("/flows/F/runs/1")["status"] == "completed"
    _update(ui, "DELETE FROM metadata_v3 WHERE value = 'True'")
    assert ui.get("/flows/F/runs/1")["status"] == "failed"
    _update(ui, "DELETE FROM metadata_v3")
    assert ui.get("/flows/F/runs/1")["status"] == "running"


def test_upstreams_subscriptions(api: Api, start: Callable[[], Replica]) -> None:
    replica, flow = start(), api.new_flow()
    run = api.new_run(flow)
    # Were it made with its task, what is told of it as a change could have the task in it already.
    step = api.new_step(run)
    number = int(run.rpartition("/")[2])
    socket = replica.connect("/ws")
    for uuid, resource in (("r", f"{flow}/runs?_tags=mine"), ("t", f"{run}/tasks"), ("o", run), ("n", "/nothing")):
        socket.send(json.dumps({"type": "SUBSCRIBE", "uuid": uuid, "resource": resource}))
    socket.send("no json")
    socket.send("__ping__")
    # Messages are worked off one after the other, so all are subscribed to now.
    assert socket.recv() == "__pong__"
    api.patch(f"{run}/tag/mutate", {"tags_to_add": ["mine"], "tags_to_remove": []})
    told = [_next(socket), _next(socket)]
    assert {one["uuid"] for one in told} == {"r", "o"}
    for one in told:
        assert (one["type"], one["data"]["tags"], one["data"]["status"]) == ("UPDATE", ["mine"], "running")
    other = api.new_run(flow, tags=["mine"])
    new = _next(socket)
    assert (new["type"], new["uuid"], new["resource"]) == ("INSERT", "r", f"{flow}/runs?_tags=mine")
    assert new["data"]["run_number"] == int(other.rpartition("/")[2])
    for uuid in ("r", "o"):
        socket.send(json.dumps({"type": "UNSUBSCRIBE", "uuid": uuid}))
    socket.send("__ping__")
    assert socket.recv() == "__pong__"
    task = api.new_task(step)
    told = _until(socket, lambda one: one["data"].get("task_id") is not None)
    assert (told["type"], told["uuid"], str(told["data"]["task_id"])) == ("INSERT", "t", task.rpartition("/")[2])
    late = {"type": "SUBSCRIBE", "uuid": "late", "resource": f"{flow}/runs", "since": 0}
    socket.send(json.dumps(late))
    told = _until(socket, lambda one: one["uuid"] == "late")
    assert told["data"]["run_number"] in (number, number + 1)
    assert api.http.delete(other).status_code == 200
    gone = _until(socket, lambda one: one["type"] == "DELETE")
    assert (gone["uuid"], gone["data"]["run_number"]) == ("late", int(other.rpartition("/")[2]))


def _until(socket: websocket.WebSocket, holds: Callable[[Any], bool]) -> Any:
    while not holds(told := _next(socket)):
        pass
    return told


@pytest.fixture
def client(ui: Ui) -> Callable[[str], Any]:
    return lambda cursor: _ask(ui, cursor)


def _ask(ui: Ui, cursor: str) -> dict[str, Any]:
    """What somebody who comes with the cursor is told first."""
    batch = ui.ask_reading(lambda reading: reading.changes.after(cursor))
    changes = [{"kind": one.kind, "run_number": one.run_number} for one in batch.changes if one.kind == "run"]
    return {
        "cursor": batch.cursor,
        **({"changes": changes} if changes else {}),
        **({"reset": True} if batch.reset and cursor else {}),
    }


def _runs(numbers: Any) -> Rows:
    rows = Rows()
    if 1 in numbers:
        rows.add("flows_v3", {"flow_id": "F", "ts_epoch": NOW})
    for number in numbers:
        rows.add("runs_v3", {"flow_id": "F", "run_number": number, "ts_epoch": NOW - 1000})
    return rows


def _update(ui: Ui, statement: str) -> Any:
    """Behind everybody's back; gives the first value of the first row."""
    if isinstance(ui.target, Path):
        with contextlib.closing(sqlite3.connect(ui.target, timeout=30)) as file, file:
            row = file.execute(statement).fetchone()
            return row and row[0]
    with psycopg.connect(ui.target) as connection:
        done = connection.execute(statement)
        row = done.fetchone() if done.description else None
        return row and row[0]
