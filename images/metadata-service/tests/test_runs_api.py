"""Routes of runs, over HTTP on each store."""

from __future__ import annotations

import json
import time

import pytest
from metadata_testbed.api import Api
from metadata_testbed.stores import Store

pytestmark = pytest.mark.server

SENDS_HEARTBEATS = ["metaflow_version:2.19.39"]


def test_a_run_gets_a_number(api: Api) -> None:
    flow = api.new_flow()
    body = {"user_name": "ann", "tags": ["a"], "system_tags": ["user:ann"], "ts_epoch": 1}
    made = api.post(flow + "/run", body)
    assert made == {
        "flow_id": flow.rpartition("/")[2],
        "run_number": made["run_number"],
        "user_name": "ann",
        "tags": ["a"],
        "system_tags": ["user:ann"],
        "ts_epoch": made["ts_epoch"],
        "last_heartbeat_ts": None,
    }
    assert isinstance(made["run_number"], int)
    assert api.get(f"{flow}/runs/{made['run_number']}") == made
    assert api.get(f"{flow}/runs/00{made['run_number']}") == made
    assert api.get(f"{flow}/runs") == [made]


def test_a_run_with_a_name_is_shown_by_it(api: Api, store: Store) -> None:
    flow = api.new_flow()
    made = api.post(flow + "/run", {"run_number": "kfp-1"})
    assert made["run_number"] == "kfp-1"
    assert api.get(flow + "/runs/kfp-1") == made
    ((number,),) = store.rows("SELECT run_number FROM runs_v3 WHERE flow_id = %(flow)s", {"flow": made["flow_id"]})
    assert api.get(f"{flow}/runs/{number}") == made


def test_a_name_is_taken_once_in_its_flow(api: Api) -> None:
    flow, other = api.new_flow(), api.new_flow()
    api.post(flow + "/run", {"run_number": "kfp-1"})
    assert "recorded already" in api.message("POST", flow + "/run", 409, {"run_number": "kfp-1"})
    api.post(other + "/run", {"run_number": "kfp-1"})


@pytest.mark.parametrize("name", ["12", "", "a/b", "x" * 256, 12, ["a"]])
def test_a_name_that_cannot_be_one_is_refused(api: Api, name: object) -> None:
    flow = api.new_flow()
    assert "run_number" in api.message("POST", flow + "/run", 400, {"run_number": name})
    assert api.get(flow + "/runs") == []


def test_a_run_needs_its_flow(api: Api) -> None:
    assert "'Nowhere'" in api.message("POST", "/flows/Nowhere/run", 404, {})
    assert api.get("/flows/Nowhere/runs") == []


@pytest.mark.parametrize(
    "run", ["999999", "9223372036854775807", "9" * 30, "9" * 5000, "no-such-run", "-1", "1.5", "²"]
)
def test_a_run_that_is_not_there(api: Api, run: str) -> None:
    flow = api.new_flow()
    api.new_run(flow)
    api.message("GET", f"{flow}/runs/{run}", 404)
    api.message("POST", f"{flow}/runs/{run}/heartbeat", 404, {})
    api.message("PATCH", f"{flow}/runs/{run}/tag/mutate", 404, {"tags_to_add": ["a"]})


def test_a_run_of_another_flow_is_not_there(api: Api) -> None:
    number = api.new_run().rpartition("/")[2]
    api.message("GET", f"{api.new_flow()}/runs/{number}", 404)


def test_a_client_that_sends_heartbeats_is_alive_from_the_start(api: Api) -> None:
    run = api.get(api.new_run(system_tags=SENDS_HEARTBEATS))
    assert abs(run["last_heartbeat_ts"] - time.time()) < 60


def test_a_heartbeat_right_after_another_is_taken(api: Api) -> None:
    run = api.new_run(system_tags=SENDS_HEARTBEATS)
    for _ in range(3):
        # The client decodes twice.
        assert json.loads(api.post(run + "/heartbeat")) == {"wait_time_in_seconds": 10}


def test_a_heartbeat_is_recorded_in_seconds(api: Api) -> None:
    run = api.new_run()
    assert api.get(run)["last_heartbeat_ts"] is None
    api.post(run + "/heartbeat", b"")
    assert abs(api.get(run)["last_heartbeat_ts"] - time.time()) < 60


def test_an_old_heartbeat_is_renewed(api: Api, store: Store) -> None:
    run = api.new_run(system_tags=SENDS_HEARTBEATS)
    store.execute(
        "UPDATE runs_v3 SET last_heartbeat_ts = 1 WHERE run_number = %(run)s", {"run": int(run.rpartition("/")[2])}
    )
    api.post(run + "/heartbeat")
    assert abs(api.get(run)["last_heartbeat_ts"] - time.time()) < 60


def test_runs_come_in_pages_newest_first(api: Api) -> None:
    flow = api.new_flow()
    runs = [api.get(api.new_run(flow, **({"run_number": f"kfp-{i}"} if i % 2 else {}))) for i in range(7)]
    assert api.pages(flow + "/runs", 3) == [runs[6:3:-1], runs[3:0:-1], runs[0:1]]
    assert api.get(flow + "/runs") == runs


def test_runs_of_one_millisecond_are_each_on_one_page(api: Api, store: Store) -> None:
    flow = api.new_flow()
    for _ in range(5):
        api.new_run(flow)
    store.execute("UPDATE runs_v3 SET ts_epoch = 5 WHERE flow_id = %(flow)s", {"flow": flow.rpartition("/")[2]})
    listed = [run["run_number"] for page in api.pages(flow + "/runs", 2) for run in page]
    assert listed == sorted(set(listed), reverse=True) and len(listed) == 5


def test_a_full_last_page_names_no_next_one(api: Api) -> None:
    flow = api.new_flow()
    for _ in range(4):
        api.new_run(flow)
    assert [len(page) for page in api.pages(flow + "/runs", 2)] == [2, 2]
