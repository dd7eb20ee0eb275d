"""Routes of steps and tasks, over HTTP on each store."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from metadata_testbed.api import Api
from metadata_testbed.stores import Store

pytestmark = pytest.mark.server

SENDS_HEARTBEATS = ["metaflow_version:2.19.39"]


def test_a_step_shows_its_run_as_text(api: Api) -> None:
    run = api.new_run(tags=["a"])
    made = api.post(run + "/steps/start/step", {"user_name": "ann", "tags": ["own"]})
    assert made == {
        "flow_id": run.split("/")[2],
        "run_number": run.rpartition("/")[2],
        "step_name": "start",
        "user_name": "ann",
        "tags": ["a"],
        "system_tags": None,
        "ts_epoch": made["ts_epoch"],
    }
    assert api.get(run + "/steps/start") == made
    assert api.get(run + "/steps") == [made]


def test_a_step_of_a_run_with_a_name(api: Api) -> None:
    run = api.new_run(run_number="kfp-1")
    assert api.get(api.new_step(run))["run_number"] == "kfp-1"


def test_a_step_is_recorded_once(api: Api) -> None:
    step = api.new_step()
    assert "recorded already" in api.message("POST", step + "/step", 409, {})


@pytest.mark.parametrize("run", ["999999", "kfp-none"])
def test_a_step_needs_its_run(api: Api, run: str) -> None:
    path = f"{api.new_flow()}/runs/{run}/steps"
    assert run in api.message("POST", path + "/start/step", 404, {})
    assert api.get(path) == []
    api.message("GET", path + "/start", 404)


def test_a_step_whose_name_is_too_long_is_refused(api: Api) -> None:
    assert "256 characters" in api.message("POST", f"{api.new_run()}/steps/{'x' * 256}/step", 400, {})


def test_steps_come_in_pages_newest_first(api: Api) -> None:
    run = api.new_run()
    steps = [api.get(api.new_step(run, name)) for name in ("start", "middle", "end")]
    assert api.pages(run + "/steps", 2) == [steps[:0:-1], steps[:1]]
    assert api.get(run + "/steps") == steps


def test_a_task_gets_a_number(api: Api) -> None:
    step = api.new_step(api.new_run(tags=["a"]))
    made = api.post(step + "/task", {"user_name": "ann", "tags": ["own"]})
    assert made == {
        "flow_id": step.split("/")[2],
        "run_number": int(step.split("/")[4]),
        "step_name": "start",
        "task_id": made["task_id"],
        "user_name": "ann",
        "tags": ["a"],
        "system_tags": None,
        "ts_epoch": made["ts_epoch"],
        "last_heartbeat_ts": None,
    }
    assert isinstance(made["task_id"], int)
    assert api.get(f"{step}/tasks/{made['task_id']}") == made
    assert api.get(step + "/tasks") == [made]


def test_a_task_with_a_name_is_shown_by_it(api: Api) -> None:
    step = api.new_step(api.new_run(run_number="kfp-1"))
    made = api.post(step + "/task", {"task_id": "t-1"})
    assert (made["run_number"], made["task_id"]) == ("kfp-1", "t-1")
    assert api.get(step + "/tasks/t-1") == made


def test_a_name_is_taken_once_in_its_step(api: Api) -> None:
    run = api.new_run()
    start, end = api.new_step(run, "start"), api.new_step(run, "end")
    api.post(start + "/task", {"task_id": "t-1"})
    assert "recorded already" in api.message("POST", start + "/task", 409, {"task_id": "t-1"})
    api.post(end + "/task", {"task_id": "t-1"})
    assert len(api.get(start + "/tasks")) == 1


def test_of_tries_at_once_one_records_the_task(api: Api) -> None:
    step = api.new_step()
    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(lambda _: api.http.post(step + "/task", json={"task_id": "t"}).status_code, range(16)))
    assert sorted(statuses) == [200] + [409] * 15


@pytest.mark.parametrize("name", ["12", "", "a/b", "x" * 256, 12])
def test_a_name_that_cannot_be_one_is_refused(api: Api, name: object) -> None:
    step = api.new_step()
    assert "task_id" in api.message("POST", step + "/task", 400, {"task_id": name})
    assert api.get(step + "/tasks") == []


def test_a_task_needs_its_step(api: Api) -> None:
    run = api.new_run()
    assert "'start'" in api.message("POST", run + "/steps/start/task", 404, {})
    assert api.get(run + "/steps/start/tasks") == []
    assert api.get(api.new_flow() + "/runs/1/steps/start/tasks") == []


def test_a_task_of_another_step_is_not_there(api: Api) -> None:
    run = api.new_run()
    task = api.new_task(api.new_step(run, "start"))
    other = api.new_step(run, "end")
    api.message("GET", f"{other}/tasks/{task.rpartition('/')[2]}", 404)
    api.message("POST", f"{other}/tasks/{task.rpartition('/')[2]}/heartbeat", 404, {})


@pytest.mark.parametrize("task", ["999999", "9" * 30, "no-such-task"])
def test_a_task_that_is_not_there(api: Api, task: str) -> None:
    step = api.new_step()
    api.message("GET", f"{step}/tasks/{task}", 404)
    api.message("POST", f"{step}/tasks/{task}/heartbeat", 404, {})


def test_a_new_task_is_a_sign_of_life_of_its_run(api: Api, store: Store) -> None:
    run = api.new_run(system_tags=SENDS_HEARTBEATS)
    step = api.new_step(run)
    forget = "UPDATE runs_v3 SET last_heartbeat_ts = 1 WHERE run_number = %(run)s"
    store.execute(forget, {"run": int(run.rpartition("/")[2])})
    api.new_task(step)
    assert api.get(run)["last_heartbeat_ts"] == 1
    task = api.new_task(step, system_tags=SENDS_HEARTBEATS)
    assert abs(api.get(run)["last_heartbeat_ts"] - time.time()) < 60
    assert abs(api.get(task)["last_heartbeat_ts"] - time.time()) < 60


def test_a_heartbeat_of_a_task_is_one_of_its_run(api: Api) -> None:
    run = api.new_run()
    task = api.new_task(api.new_step(run), task_id="t-1")
    for _ in range(2):
        assert json.loads(api.post(task + "/heartbeat")) == {"wait_time_in_seconds": 10}
    assert abs(api.get(task)["last_heartbeat_ts"] - time.time()) < 60
    assert abs(api.get(run)["last_heartbeat_ts"] - time.time()) < 60


def test_tasks_come_in_pages_newest_first(api: Api) -> None:
    step = api.new_step()
    tasks = [api.get(api.new_task(step, **({"task_id": f"t-{i}"} if i % 2 else {}))) for i in range(5)]
    assert api.pages(step + "/tasks", 2) == [tasks[4:2:-1], tasks[2:0:-1], tasks[:1]]
    assert api.get(step + "/tasks") == tasks


def test_tasks_are_filtered(api: Api) -> None:
    step = api.new_step()
    numbered = api.get(api.new_task(step, user_name="ann"))
    named = api.get(api.new_task(step, task_id="t-1", user_name="bob"))
    assert api.get(step + "/tasks", {"user_name:eq": "ann"}) == [numbered]
    assert api.get(step + "/tasks", {"task_name": "t-1"}) == [named]
    assert api.get(step + "/tasks", {"task_id:eq": str(numbered["task_id"])}) == [numbered]
    assert api.get(step + "/tasks", {"ts_epoch:gt": str(named["ts_epoch"])}) == []
    assert api.get(step + "/tasks", {"task_name:is": "null"}) == [numbered]
    assert "task_id:sw" in api.get(step + "/tasks", {"task_id:sw": "1"}, 400)["message"]


def test_tasks_by_their_metadata(api: Api) -> None:
    run = api.new_run(run_number="kfp-1")
    step = api.new_step(run)
    flow = run.split("/")[2]
    paths = []
    for index in range(4):
        task = api.new_task(step, **({"task_id": f"t-{index}"} if index % 2 else {}))
        values = [{"field_name": "foreach-indices", "value": str([index]), "type": "x"}]
        api.post(task + "/metadata", values * 2 if index < 3 else [])
        paths.append(f"{flow}/kfp-1/start/{task.rpartition('/')[2]}")
    found = step + "/filtered_tasks"
    assert api.get(found) == paths
    assert api.get(found, {"metadata_field_name": "foreach-indices"}) == paths[:3]
    assert api.get(found, {"metadata_field_name": "foreach-indices", "pattern": r"^(?:\[1\])$"}) == paths[1:2]
    assert api.get(found, {"pattern": r"^(?:\[[02]\])$"}) == [paths[0], paths[2]]
    assert api.get(found, {"metadata_field_name": "unknown"}) == []
    assert api.get(run + "/steps/unknown/filtered_tasks") == []
    assert api.get(f"/flows/{flow}/runs/unknown/steps/start/filtered_tasks") == []
    assert "regular expression" in api.get(found, {"pattern": "("}, 400)["message"]
