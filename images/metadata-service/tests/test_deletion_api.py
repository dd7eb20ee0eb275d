"""Removing runs and flows, over HTTP on each store."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from metadata_testbed.api import Api
from metadata_testbed.stores import Store

pytestmark = pytest.mark.server

TABLES = ("runs_v3", "steps_v3", "tasks_v3", "metadata_v3", "artifact_v3")


def run_with_all(api: Api, flow: str, **body: object) -> str:
    """A run with two steps, three tasks and six artifacts; gives its path."""
    run = api.new_run(flow, **body)
    for step, tasks in (("start", 1), ("end", 2)):
        path = api.new_step(run, step)
        for _ in range(tasks):
            task = api.new_task(path)
            api.post(task + "/artifact", [{"name": "a", "sha": "1" * 40}, {"name": "b", "sha": "2" * 40}])
            api.post(task + "/metadata", [{"field_name": "attempt", "value": "0"}])
    return run


def rows(store: Store, flow: str) -> dict[str, int]:
    parameters = {"flow": flow.rpartition("/")[2]}
    counts = {}
    for table in TABLES:
        ((counts[table],),) = store.rows(f"SELECT count(*) FROM {table} WHERE flow_id = %(flow)s", parameters)
    return counts


def delete(api: Api, path: str, status: int = 200) -> dict[str, int]:
    answer = api.http.delete(path)
    assert answer.status_code == status, answer.text
    body: dict[str, int] = answer.json()
    return body


@pytest.mark.parametrize("name", [{}, {"run_number": "kfp-1"}])
def test_a_run_goes_with_all_that_belongs_to_it(api: Api, store: Store, name: dict[str, str]) -> None:
    flow = api.new_flow()
    kept = run_with_all(api, flow)
    run = run_with_all(api, flow, **name)
    before = rows(store, flow)
    removed = delete(api, run)
    assert removed == {"runs": 1, "steps": 2, "tasks": 3, "artifacts": 6, "metadata": 3}
    assert rows(store, flow) == {table: count // 2 for table, count in before.items()}
    for path in (run, run + "/steps/start", run + "/steps/start/tasks/1"):
        api.get(path, status=404)
    for part in ("/steps", "/artifacts", "/metadata"):
        assert api.get(run + part) == []
    assert len(api.get(kept + "/artifacts")) == 6
    assert "does not exist" in api.message("DELETE", run, 404)


def test_a_flow_goes_with_all_its_runs(api: Api, store: Store) -> None:
    flow, other = api.new_flow(), api.new_run()
    for _ in range(3):
        run_with_all(api, flow)
    assert delete(api, flow)["runs"] == 3
    assert set(rows(store, flow).values()) == {0}
    api.get(flow, status=404)
    assert delete(api, flow, status=404)
    assert api.get(other)
    api.post(flow)
    assert delete(api, flow) == dict.fromkeys(("runs", "steps", "tasks", "artifacts", "metadata"), 0)


def test_a_run_that_another_was_resumed_from_stays(api: Api) -> None:
    """A cloned task has its metadata from its origin, and Metaflow's client fails where that is missing."""
    flow = api.new_flow()
    origin, heir = api.new_run(flow), api.new_run(flow, run_number="kfp-heir")
    task = api.new_task(api.new_step(heir))
    number = origin.rpartition("/")[2]
    api.post(task + "/metadata", [{"field_name": "origin-run-id", "value": number}])
    assert "was resumed as kfp-heir" in api.message("DELETE", origin, 422)
    delete(api, heir)
    delete(api, origin)


def test_what_is_written_meanwhile_is_refused_or_goes_too(api: Api, store: Store) -> None:
    """Writers of a run that is removed under them: no row of it is left, and none of them meets a fault."""
    flow = api.new_flow()
    for _ in range(5):
        run = api.new_run(flow)
        step = api.new_step(run)
        task = api.new_task(step)

        def write(number: int, run: str = run, step: str = step, task: str = task) -> set[int]:
            return {
                api.http.post(path, json=body).status_code
                for path, body in (
                    (task + "/artifact", [{"name": f"a{number}"}]),
                    (task + "/metadata", [{"field_name": "x", "value": "y"}]),
                    (step + "/task", {}),
                    (f"{run}/steps/s{number}/step", {}),
                    (task + "/heartbeat", {}),
                )
            }

        with ThreadPoolExecutor(4) as pool:
            writes = [pool.submit(write, number) for number in range(8)]
            removed = pool.submit(delete, api, run)
        assert removed.result()["runs"] == 1
        assert set().union(*(each.result() for each in writes)) <= {200, 400, 404, 503}
    assert rows(store, flow) == dict.fromkeys(TABLES, 0)
