"""Routes of artifacts, over HTTP on each store."""

from __future__ import annotations

import random
from typing import Any

import pytest
from metadata_testbed.api import Api
from metadata_testbed.stores import Store

pytestmark = pytest.mark.server


def artifact(name: str, attempt: int = 0, **fields: object) -> dict[str, object]:
    return {
        "name": name,
        "attempt_id": attempt,
        "location": f":root:s3://bucket/{name}",
        "ds_type": "s3",
        "sha": "0" * 40,
        "type": "metaflow.artifact",
        "content_type": "pickle-v4",
        "user_name": "ann",
        "tags": ["own"],
        "system_tags": ["own"],
        **fields,
    }


def names(listed: list[dict[str, Any]]) -> list[tuple[str, int]]:
    return sorted((one["name"], one["attempt_id"]) for one in listed)


def test_artifacts_are_recorded_and_read_back(api: Api) -> None:
    run = api.new_run(tags=["a"])
    step = api.new_step(run)
    task = api.new_task(step)
    assert api.post(task + "/artifact", [artifact("x"), artifact("name")]) == {"artifacts_created": 2}
    found = api.get(task + "/artifacts/x")
    assert found == {
        **artifact("x"),
        "flow_id": run.split("/")[2],
        "run_number": int(run.rpartition("/")[2]),
        "step_name": "start",
        "task_id": int(task.rpartition("/")[2]),
        "tags": ["a"],
        "system_tags": None,
        "ts_epoch": found["ts_epoch"],
    }
    for path in (task + "/artifacts", step + "/artifacts", run + "/artifacts", task + "/attempt/0/artifacts"):
        listed = api.get(path)
        assert found in listed and names(listed) == [("name", 0), ("x", 0)]
    assert api.get(task + "/artifacts/x/attempt/0") == found


def test_ids_are_shown_by_name(api: Api) -> None:
    task = api.new_task(api.new_step(api.new_run(run_number="kfp-1")), task_id="t-1")
    api.post(task + "/artifact", [artifact("x")])
    for found in (api.get(task + "/artifacts/x"), *api.get(task + "/artifacts")):
        assert (found["run_number"], found["task_id"]) == ("kfp-1", "t-1")


def test_nothing_is_recorded_twice(api: Api) -> None:
    task = api.new_task()
    assert api.post(task + "/artifact", [artifact("x"), artifact("y")]) == {"artifacts_created": 2}
    first = api.get(task + "/artifacts")
    again = [artifact("x", location="other"), artifact("y"), artifact("z")]
    assert api.post(task + "/artifact", again) == {"artifacts_created": 1}
    assert api.get(task + "/artifacts")[:2] == first
    assert names(api.get(task + "/artifacts")) == [("x", 0), ("y", 0), ("z", 0)]


def test_of_each_task_the_latest_attempt_is_listed(api: Api) -> None:
    run = api.new_run()
    step = api.new_step(run)
    one, two = api.new_task(step), api.new_task(step)
    api.post(one + "/artifact", [artifact("a"), artifact("name"), artifact("only-first")])
    api.post(one + "/artifact", [artifact("a", 1), artifact("name", 1)])
    api.post(two + "/artifact", [artifact("a"), artifact("name")])
    assert names(api.get(one + "/artifacts")) == [("a", 1), ("name", 1)]
    for path in (step + "/artifacts", run + "/artifacts"):
        assert names(api.get(path)) == [("a", 0), ("a", 1), ("name", 0), ("name", 1)]
        paged = [one for page in api.pages(path, 1) for one in page]
        assert names(paged) == names(api.get(path))
    assert names(api.get(one + "/attempt/0/artifacts")) == [("a", 0), ("name", 0), ("only-first", 0)]
    assert api.get(one + "/attempt/7/artifacts") == []


def test_a_single_artifact_is_that_of_the_latest_attempt(api: Api) -> None:
    task = api.new_task()
    api.post(task + "/artifact", [artifact("a"), artifact("name"), artifact("only-first")])
    api.post(task + "/artifact", [artifact("a", 1), artifact("name", 1)])
    assert api.get(task + "/artifacts/a")["attempt_id"] == 1
    assert api.get(task + "/artifacts/a/attempt/0")["attempt_id"] == 0
    api.message("GET", task + "/artifacts/only-first", 404)
    assert api.get(task + "/artifacts/only-first/attempt/0")["attempt_id"] == 0


def test_without_an_artifact_called_name_any_tells_the_attempt(api: Api) -> None:
    task = api.new_task()
    api.post(task + "/artifact", [artifact("a"), artifact("a", 2)])
    assert api.get(task + "/artifacts/a")["attempt_id"] == 2


def test_artifacts_come_in_pages_newest_first(api: Api) -> None:
    task = api.new_task()
    for name in "abcde":
        api.post(task + "/artifact", [artifact(name)])
    pages = api.pages(task + "/artifacts", 2)
    assert [[one["name"] for one in page] for page in pages] == [["e", "d"], ["c", "b"], ["a"]]


def test_artifacts_of_one_request_are_each_on_one_page(api: Api) -> None:
    task = api.new_task()
    api.post(task + "/artifact", [artifact(f"v{number}") for number in range(25)])
    listed = [one["name"] for page in api.pages(task + "/artifacts", 4) for one in page]
    assert len(listed) == 25 and set(listed) == {f"v{number}" for number in range(25)}


@pytest.mark.parametrize("path", ["/artifact", "/metadata"])
@pytest.mark.parametrize("task", ["999999", "t-none"])
def test_the_task_must_be_there(api: Api, path: str, task: str) -> None:
    step = api.new_step()
    message = api.message("POST", f"{step}/tasks/{task}{path}", 400, [])
    assert message.startswith("need to register run_id and task_id first")
    message = api.message("POST", f"{api.new_flow()}/runs/1/steps/start/tasks/{task}{path}", 400, [])
    assert message.startswith("need to register run_id and task_id first")


def test_lists_of_what_is_not_there_are_empty(api: Api) -> None:
    run = api.new_run()
    for path in (
        "/artifacts",
        "/steps/x/artifacts",
        "/steps/x/tasks/1/artifacts",
        "/steps/x/tasks/1/attempt/0/artifacts",
    ):
        assert api.get(run + path) == []
        assert api.get(f"{api.new_flow()}/runs/none{path}") == []
    api.message("GET", run + "/steps/x/tasks/1/artifacts/a", 404)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"name": "x" * 256}, "$[1].name"),
        ({"location": "s3://" + "x" * 251}, "$[1].location"),
        ({"sha": "x" * 256}, "$[1].sha"),
        ({"content_type": "x" * 256}, "$[1].content_type"),
        ({"attempt_id": -1}, "$[1].attempt_id"),
        ({"attempt_id": 32768}, "$[1].attempt_id"),
        ({"attempt_id": 10**30}, "$[1].attempt_id"),
        ({"attempt_id": 1.5}, "$[1].attempt_id"),
        ({"attempt_id": "0"}, "$[1].attempt_id"),
        ({"tags": "a"}, "$[1].tags"),
        ({"name": None}, "$[1].name"),
        ({"location": "a\0b"}, "NUL"),
        ({"name": "good"}, "twice"),
    ],
)
def test_one_wrong_artifact_keeps_all_out(api: Api, wrong: dict[str, object], words: str) -> None:
    task = api.new_task()
    body = [artifact("good"), {**artifact("bad"), **wrong}, artifact("good-too")]
    assert words in api.message("POST", task + "/artifact", 400, body)
    assert api.get(task + "/artifacts") == []


@pytest.mark.parametrize("body", [{}, "x", [[]], ["x"], [None], b"[{]", b"[" * 100_000])
def test_a_body_of_another_shape_is_refused(api: Api, body: object) -> None:
    api.message("POST", api.new_task() + "/artifact", 400, body)


def test_names_that_together_break_an_index_are_refused(api: Api, store: Store) -> None:
    # Each fits its column. Random, so that the index cannot compress them.
    chance = random.Random(1)
    flow, step, name = ("".join(chr(chance.randrange(0x10000, 0x20000)) for _ in range(255)) for _ in range(3))
    api.post(f"/flows/{flow}")
    task = api.new_task(api.new_step(api.new_run(f"/flows/{flow}"), step))
    body = [artifact("good"), artifact(name, location="x")]
    if store.name == "sqlite":
        # Its indexes hold keys of any length.
        assert api.post(task + "/artifact", body) == {"artifacts_created": 2}
        return
    message = api.message("POST", task + "/artifact", 400, body)
    assert "an index of the database" in message
    assert api.get(task + "/artifacts") == []


@pytest.mark.parametrize("attempt", ["x", "-1", "1.5", "999999"])
def test_an_attempt_that_is_no_number_is_refused(api: Api, attempt: str) -> None:
    task = api.new_task()
    assert "attempt_id" in api.message("GET", f"{task}/attempt/{attempt}/artifacts", 400)
    assert "attempt_id" in api.message("GET", f"{task}/artifacts/x/attempt/{attempt}", 400)


def test_an_empty_list_records_nothing(api: Api) -> None:
    assert api.post(api.new_task() + "/artifact", []) == {"artifacts_created": 0}


def test_a_minimal_artifact_gets_blanks_as_ever(api: Api) -> None:
    task = api.new_task()
    api.post(task + "/artifact", [{"name": "x"}])
    found = api.get(task + "/artifacts/x")
    assert (found["location"], found["ds_type"], found["sha"], found["attempt_id"]) == (" ", " ", " ", 0)


def test_rows_are_as_upstream_writes_them(api: Api, store: Store) -> None:
    run = api.new_run(run_number="kfp-1")
    task = api.new_task(api.new_step(run), task_id="t-1")
    api.post(task + "/artifact", [artifact("x")])
    ((run_id, task_name, tags),) = store.rows(
        "SELECT run_id, task_name, tags FROM artifact_v3 WHERE flow_id = %(flow)s", {"flow": run.split("/")[2]}
    )
    assert (run_id, task_name) == ("kfp-1", "t-1") and tags in (["own"], '["own"]')
    numbered = api.new_run()
    api.new_step(numbered)
    ((step_run_id,),) = store.rows(
        "SELECT run_id FROM steps_v3 WHERE flow_id = %(flow)s", {"flow": numbered.split("/")[2]}
    )
    assert step_run_id == numbered.rpartition("/")[2]
