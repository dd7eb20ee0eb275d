"""Metaflow's own client, as it is installed, against the service; a run with local metadata is the oracle."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from metadata_testbed.api import Api
from metadata_testbed.laptop import FLOWS, Laptop, comparable
from metadata_testbed.postgres import PostgresServer
from metadata_testbed.service import Service
from metadata_testbed.waiting import eventually

pytestmark = [pytest.mark.server, pytest.mark.slow]

TASKS = Counter(["_parameters", "start", "fan", *["work"] * 3, "gather", "risky", "join", "end"])


@pytest.fixture(scope="module")
def client_service(postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service with a database of its own, in a time zone that is not UTC."""
    dsn = postgres.create_database("client")
    running = Service(tmp_path_factory.mktemp("client") / "log", dsn, TZ="America/New_York")
    running.wait_until()
    yield running
    assert running.end() == 0
    lines = running.log_lines()
    asked = [line for line in lines if line.get("path", "/readyz") != "/readyz"]
    assert asked and not [line for line in asked if line["status"] >= 500]
    assert not [line for line in lines if "traceback" in line]


@pytest.fixture(scope="module")
def remote(client_service: Service, tmp_path_factory: pytest.TempPathFactory) -> Laptop:
    folder = tmp_path_factory.mktemp("remote") / "laptop"
    return Laptop(folder, METAFLOW_DEFAULT_METADATA="service", METAFLOW_SERVICE_URL=client_service.url)


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Laptop:
    return Laptop(tmp_path_factory.mktemp("local") / "laptop", METAFLOW_DEFAULT_METADATA="local")


@pytest.fixture(scope="module")
def run(remote: Laptop) -> dict[str, Any]:
    """A run of the flow that uses everything, as the client tells of it."""
    run_id = remote.flow("service_flow.py", "run", "--tag", "first", "--tag", "second")
    return remote.describe(f"ServiceFlow/{run_id}")


@pytest.fixture
def client_api(client_service: Service, open_api: Callable[[Service], Api]) -> Api:
    return open_api(client_service)


def test_a_run_is_the_same_as_with_local_metadata(run: dict[str, Any], local: Laptop) -> None:
    made = local.flow("service_flow.py", "run", "--tag", "first", "--tag", "second")
    expected = local.describe(f"ServiceFlow/{made}")
    assert comparable(run) == comparable(expected)
    assert sorted(run["steps"]) == sorted(expected["steps"])
    assert (run["finished"], run["successful"]) == (expected["finished"], expected["successful"]) == (True, True)
    assert run["user_tags"] == expected["user_tags"] == ["first", "second"]
    assert len(run["system_tags"]) == len(expected["system_tags"])


def test_every_task_is_recorded_once(run: dict[str, Any], client_api: Api) -> None:
    path = f"/flows/ServiceFlow/runs/{run['id']}"
    recorded = Counter(
        {step["step_name"]: len(api_tasks(client_api, path, step)) for step in client_api.get(path + "/steps")}
    )
    assert recorded == TASKS
    assert Counter(task["step"] for task in run["tasks"]) == TASKS - Counter({"_parameters": 1})


def api_tasks(api: Api, run: str, step: dict[str, Any]) -> list[Any]:
    tasks: list[Any] = api.get(f"{run}/steps/{step['step_name']}/tasks")
    return tasks


def test_a_retry_is_the_latest_attempt(run: dict[str, Any], client_api: Api) -> None:
    (retried,) = [task for task in run["tasks"] if task["step"] == "work" and task["indexes"] == [1]]
    assert retried["attempt"] == 1 and retried["successful"]
    assert retried["artifacts"]["attempt"] == "1"
    assert "only_in_the_first_attempt" not in retried["artifacts"]
    flow, number, step, task = retried["pathspec"].split("/")
    path = f"/flows/{flow}/runs/{number}/steps/{step}/tasks/{task}"
    assert {one["attempt_id"] for one in client_api.get(path + "/artifacts")} == {1}
    assert "_exception" in {one["name"] for one in client_api.get(path + "/attempt/0/artifacts")}


def test_heartbeats_and_status(run: dict[str, Any], client_api: Api) -> None:
    recorded = client_api.get(f"/flows/ServiceFlow/runs/{run['id']}")
    assert recorded["last_heartbeat_ts"] >= recorded["ts_epoch"] // 1000
    completed = client_api.get("/flows/ServiceFlow/runs", {"status": "completed"})
    assert int(run["id"]) in [one["run_number"] for one in completed]


def test_tags_are_changed_by_the_command_and_by_the_client(run: dict[str, Any], remote: Laptop) -> None:
    remote.flow("service_flow.py", "tag", "add", "--run-id", run["id"], "third")
    remote.flow("service_flow.py", "tag", "remove", "--run-id", run["id"], "first")
    change = f"from metaflow import *; namespace(None); Run('ServiceFlow/{run['id']}').add_tag('fourth')"
    remote.python("-c", change)
    described = remote.describe(f"ServiceFlow/{run['id']}")
    assert described["user_tags"] == ["fourth", "second", "third"]
    assert all({"second", "third", "fourth"} <= set(task["tags"]) for task in described["tasks"])


def test_namespaces_hide_the_runs_of_others(run: dict[str, Any], remote: Laptop) -> None:
    mine = "from metaflow import *; namespace('user:ann'); print([run.id for run in Flow('ServiceFlow')])"
    assert repr(run["id"]) in remote.python("-c", mine).splitlines()[-1]
    hidden = (
        "from metaflow import *; from metaflow.exception import MetaflowNamespaceMismatch\n"
        "namespace('user:bob')\n"
        "try:\n    Flow('ServiceFlow')\n"
        "except MetaflowNamespaceMismatch:\n    print('hidden')\n"
    )
    assert remote.python("-c", hidden).splitlines()[-1] == "hidden"


def test_a_failed_run_is_resumed(remote: Laptop, local: Laptop) -> None:
    descriptions = []
    for laptop in (remote, local):
        failed = laptop.flow("resumed_flow.py", "run", code=1, MAKER="first")
        assert not laptop.describe(f"ResumedFlow/{failed}")["finished"]
        resumed = laptop.flow("resumed_flow.py", "resume", "--origin-run-id", failed, MAKER="second")
        descriptions.append(laptop.describe(f"ResumedFlow/{resumed}"))
    for described in descriptions:
        assert described["successful"]
        by_step = {task["step"]: task for task in described["tasks"]}
        assert by_step["start"]["artifacts"]["made_by"] == "'first'"
        assert by_step["join"]["artifacts"]["letters_seen"] == "['a', 'b']"
        assert "origin-task-id" in {name for name, _ in by_step["start"]["metadata"]}
    assert comparable(descriptions[0]) == comparable(descriptions[1])


def test_a_run_with_a_name_of_its_own(remote: Laptop, client_api: Api) -> None:
    """As schedulers do it: the ids are theirs, and each step is started apart, possibly twice."""
    flow = str(FLOWS / "resumed_flow.py")
    top = [flow, "--quiet", "--no-pylint", "--metadata", "service", "--datastore", "local"]
    init = ["init", "--run-id", "kfp-1", "--task-id", "params"]
    start = ["step", "start", "--run-id", "kfp-1", "--task-id", "t-start", "--input-paths", "kfp-1/_parameters/params"]
    for command in (init, start, start):
        remote.python(*top, *command, MAKER="scheduler")
    run = "/flows/ResumedFlow/runs/kfp-1"
    assert client_api.get(run)["run_number"] == "kfp-1"
    assert [task["task_id"] for task in client_api.get(run + "/steps/start/tasks")] == ["t-start"]
    described = remote.describe("ResumedFlow/kfp-1")
    assert [task["pathspec"] for task in described["tasks"]] == ["ResumedFlow/kfp-1/start/t-start"]
    assert described["tasks"][0]["artifacts"]["made_by"] == "'scheduler'"


def test_a_run_survives_the_death_of_service_and_database(
    own_postgres: PostgresServer,
    start_service: Callable[..., Service],
    open_api: Callable[[Service], Api],
    tmp_path: Path,
) -> None:
    service = start_service(own_postgres.dsn())
    service.wait_until()
    laptop = Laptop(
        tmp_path / "laptop",
        METAFLOW_DEFAULT_METADATA="service",
        METAFLOW_SERVICE_URL=service.url,
        METAFLOW_SERVICE_RETRY_COUNT="8",
    )
    recorded = "SELECT count(*) FROM tasks_v3"

    def more_tasks_than(number: int) -> None:
        eventually(lambda: None if own_postgres.rows(recorded)[0][0] > number else "no new task", within=120)

    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(laptop.flow, "service_flow.py", "run")
        more_tasks_than(2)
        own_postgres.kill()
        own_postgres.start()
        more_tasks_than(4)
        service.kill()
        service = start_service(own_postgres.dsn(), service.port)
        run_id = running.result()
    service.wait_until()
    api = open_api(service)
    run = f"/flows/ServiceFlow/runs/{run_id}"
    # A task without a name of its own may be recorded once more, when the answer to its first try died on the way.
    # It is never started, so those that succeeded are counted.
    done = {"metadata_field_name": "attempt_ok", "pattern": "^(?:True)$"}
    succeeded = Counter(
        {
            step["step_name"]: len(api.get(f"{run}/steps/{step['step_name']}/filtered_tasks", done))
            for step in api.get(run + "/steps")
        }
    )
    assert succeeded == TASKS - Counter(["_parameters"])
    assert [one["run_number"] for one in api.get("/flows/ServiceFlow/runs", {"status": "completed"})] == [int(run_id)]
