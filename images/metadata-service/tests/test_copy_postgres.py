"""Runs between PostgreSQL and SQLite, both ways, and what a service tells of them afterwards."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from metadata_testbed.api import Api
from metadata_testbed.postgres import PostgresServer
from metadata_testbed.service import Service, run_command

pytestmark = pytest.mark.server

LOCAL_RUN = "1764115200123456"

StartService = Callable[..., Service]
OpenApi = Callable[[Service], Api]


def fill(api: Api) -> None:
    """Runs with all that a run can have: numbers and names, attempts, tags, odd texts."""
    api.post("/flows/Flow", {"user_name": "ann"})
    for number in range(3):
        run = api.new_run("/flows/Flow", tags=["é", '"'], **({"run_number": "kfp-1"} if number == 1 else {}))
        for step in ("start", "end"):
            path = api.new_step(run, step)
            for task in range(3):
                one = api.new_task(path, user_name="ann", **({"task_id": f"t-{task}"} if task else {}))
                api.post(
                    one + "/artifact", [{"name": name, "attempt_id": attempt} for name in "ab" for attempt in (0, 1)]
                )
                api.post(one + "/metadata", [{"field_name": "x", "value": value} for value in ("2", "1", "\\", "a\nb")])
                api.post(one + "/heartbeat")


def everything(api: Api) -> list[Any]:
    """All that the API tells, but for the ids of metadata, which are each place's own."""
    found: list[Any] = [api.get("/flows"), api.get("/flows/Flow/runs")]
    for run in found[1]:
        path = f"/flows/Flow/runs/{run['run_number']}"
        metadata = [{name: value for name, value in one.items() if name != "id"} for one in api.get(path + "/metadata")]
        found += [api.get(path + "/steps"), metadata, unordered(api.get(path + "/artifacts"))]
        for step in api.get(path + "/steps"):
            found.append(unordered(api.get(f"{path}/steps/{step['step_name']}/tasks")))
    return found


def unordered(rows: list[dict[str, Any]]) -> list[str]:
    return sorted(str(sorted((name, str(value)) for name, value in row.items())) for row in rows)


def copy(source: str, target: str, dsn: str) -> subprocess.CompletedProcess[str]:
    return run_command("copy", source, target, MF_METADATA_DB_DSN=dsn)


def test_there_and_back_the_api_tells_the_same(
    postgres: PostgresServer,
    new_database: Callable[[], str],
    start_service: StartService,
    open_api: OpenApi,
    tmp_path: Path,
) -> None:
    dsn, other = postgres.dsn(new_database()), postgres.dsn(new_database())
    service = start_service(dsn)
    service.wait_until()
    api = open_api(service)
    fill(api)
    file = tmp_path / "metadata.db"
    done = copy("postgres", str(file), dsn)
    assert done.returncode == 0 and "Copied: 3 runs" in done.stdout, done
    on_sqlite = start_service(file)
    on_sqlite.wait_until()
    expected = everything(api)
    assert everything(open_api(on_sqlite)) == expected
    assert run_command("migrate", MF_METADATA_DB_DSN=other).returncode == 0
    done = copy(str(file), "postgres", other)
    assert done.returncode == 0 and "Copied: 3 runs" in done.stdout, done
    done = copy(str(file), "postgres", other)
    assert done.returncode == 0 and "Copied: 0 runs" in done.stdout and "; 3 were there" in done.stdout
    back = start_service(other)
    back.wait_until()
    api = open_api(back)
    assert everything(api) == expected
    # The database goes on with numbers that are free.
    taken = {run["run_number"] for run in api.get("/flows/Flow/runs")}
    assert api.get(api.new_task(api.new_step(api.new_run("/flows/Flow"))))["run_number"] not in taken


def test_a_run_of_local_metadata_is_reached_by_its_own_ids(
    postgres: PostgresServer,
    new_database: Callable[[], str],
    start_service: StartService,
    open_api: OpenApi,
    tmp_path: Path,
) -> None:
    dsn = postgres.dsn(new_database())
    service = start_service(dsn)
    service.wait_until()
    api = open_api(service)
    api.new_task(api.new_step(api.new_run()))
    task = tmp_path / ".metaflow" / "Local" / LOCAL_RUN / "start" / "1"
    for folder in (task, *list(task.parents)[:3]):
        (folder / "_meta").mkdir(parents=True)
        (folder / "_meta" / "_self.json").write_text('{"ts_epoch": 5, "tags": ["a"], "system_tags": []}')
    (task / "_meta" / "0_artifact_x.json").write_text('{"name": "x", "attempt_id": 0, "location": "l", "ts_epoch": 6}')
    done = copy(str(tmp_path), "postgres", dsn)
    assert done.returncode == 0, done
    path = f"/flows/Local/runs/{LOCAL_RUN}/steps/start/tasks/1"
    found = api.get(path)
    assert (found["run_number"], found["task_id"], found["tags"]) == (LOCAL_RUN, "1", ["a"])
    assert [one["name"] for one in api.get(path + "/artifacts")] == ["x"]
    api.post(path + "/metadata", [{"field_name": "late", "value": "1"}])
    assert [one["value"] for one in api.get(f"/flows/Local/runs/{LOCAL_RUN}/metadata")] == ["1"]
    api.post(path + "/heartbeat")
    assert api.patch(f"/flows/Local/runs/{LOCAL_RUN}/tag/mutate", {"tags_to_add": ["b"]}) == {"tags": ["a", "b"]}
    # On a laptop the same ids are numbers.
    file = tmp_path / "metadata.db"
    assert copy("postgres", str(file), dsn).returncode == 0
    on_sqlite = start_service(file)
    on_sqlite.wait_until()
    found = open_api(on_sqlite).get(path)
    assert (found["run_number"], found["task_id"]) == (int(LOCAL_RUN), 1)


def test_a_run_whose_number_is_taken_is_told_and_the_others_are_copied(
    postgres: PostgresServer,
    new_database: Callable[[], str],
    start_service: StartService,
    open_api: OpenApi,
    tmp_path: Path,
) -> None:
    file, dsn = tmp_path / "metadata.db", postgres.dsn(new_database())
    for place in (file, dsn):
        service = start_service(place)
        service.wait_until()
        fill(open_api(service))
        assert service.end() == 0
    done = copy(str(file), "postgres", dsn)
    assert done.returncode == 1 and "3 runs are there and differ" in done.stdout, done
