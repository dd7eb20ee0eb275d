"""Lists in upstream's dialect: pages, order, filters, tags, groups, names, and what is refused; on each store."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from ui_demo.tables import Rows

from .conftest import NOW, Ui

pytestmark = pytest.mark.server

_FLOWS = ("AlphaFlow", "BetaFlow")


@pytest.fixture(scope="module")
def ui(new_ui: Callable[..., Ui]) -> Ui:
    """Twelve runs of two flows; the last one has two tasks with artifacts and metadata."""
    made, rows = new_ui(), Rows()
    for flow in _FLOWS:
        rows.add("flows_v3", {"flow_id": flow, "user_name": "ann", "ts_epoch": NOW - 10**9, "tags": ["of-flow"]})
    for number in range(1, 13):
        rows.add(
            "runs_v3",
            {
                "flow_id": _FLOWS[number % 2],
                "run_number": number,
                "run_id": f"kfp-{number}" if number > 10 else None,
                "user_name": "ann" if number % 3 else "100%_sure",
                "ts_epoch": NOW - number * 60_000,
                "last_heartbeat_ts": NOW // 1000 if number % 4 else None,
                "tags": [f"n:{number}", "odd" if number % 2 else "even"],
                "system_tags": ["user:ann"],
            },
        )
    run = {"flow_id": "AlphaFlow", "run_number": 12, "run_id": "kfp-12"}
    step = {**run, "step_name": "start"}
    rows.add("steps_v3", {**step, "ts_epoch": NOW - 700_000})
    for task in (1, 2):
        of_task = {**step, "task_id": task, "task_name": f"t-{task}", "ts_epoch": NOW - 600_000 + task}
        rows.add("tasks_v3", of_task)
        rows.add("metadata_v3", {**of_task, "field_name": "attempt", "value": "0", "type": "attempt"})
        stack = {"field_name": "foreach-stack", "value": f"x={task}", "type": "foreach-stack"}
        rows.add("metadata_v3", {**of_task, **stack, "tags": ["attempt_id:0"]})
        for attempt in range(task):
            artifact = {"name": f"model{attempt}", "location": "l", "ds_type": "s3", "attempt_id": attempt}
            rows.add("artifact_v3", {**of_task, **artifact})
    made.write(rows)
    return made


def _numbers(found: list[dict[str, Any]]) -> list[int]:
    return [run["run_number"] for run in found]


def test_a_run_is_shown_with_both_of_its_names(ui: Ui) -> None:
    run = ui.get("/flows/AlphaFlow/runs/kfp-12")
    assert run == {
        "flow_id": "AlphaFlow",
        "run_number": 12,
        "run_id": "kfp-12",
        "run": "kfp-12",
        "user_name": "100%_sure",
        "user": None,
        "ts_epoch": NOW - 720_000,
        "last_heartbeat_ts": None,
        "tags": ["n:12", "even"],
        "system_tags": ["user:ann"],
        "status": "running",
        "finished_at": None,
        "duration": 720_000,
    }
    assert ui.get("/flows/AlphaFlow/runs/12") == run
    assert ui.get("/flows/BetaFlow/runs/1")["user"] == "ann"


def test_pages_and_links(ui: Ui) -> None:
    body = ui.fetch("/runs", {"_limit": "5", "_page": "2"}).json()
    assert _numbers(body["data"]) == [6, 7, 8, 9, 10]
    assert body["status"] == 200
    assert body["pages"] == {"self": 2, "first": 1, "prev": 1, "next": 3, "last": None}
    assert body["links"]["next"] == "/api/runs?_limit=5&_page=3"
    assert body["query"] == {"_limit": "5", "_page": "2"}
    assert ui.fetch("/runs", {"_limit": "5", "_page": "3"}).json()["pages"]["next"] is None
    assert ui.fetch("/runs", {"_limit": "12"}).json()["pages"]["next"] is None
    assert ui.get("/runs", {"_limit": "5", "_page": "9"}) == []


@pytest.mark.parametrize(
    "query", [{"_limit": "x", "_page": "-"}, {"_limit": "", "_order": "nothing,-tags"}, {"a": "b"}]
)
def test_pages_and_columns_that_are_none_are_left_out(ui: Ui, query: dict[str, str]) -> None:
    assert _numbers(ui.get("/runs", query)) == list(range(1, 11))


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ({"_order": "+run_number"}, range(1, 13)),
        ({"_order": "run_number"}, range(12, 0, -1)),
        ({"_order": "-flow_id,+ts_epoch"}, [11, 9, 7, 5, 3, 1, 12, 10, 8, 6, 4, 2]),
        ({"flow_id": "BetaFlow"}, [1, 3, 5, 7, 9, 11]),
        ({"run_number:lt": "3"}, [1, 2]),
        ({"run": "kfp-12,3"}, [3, 12]),
        ({"user": "null"}, [3, 6, 9, 12]),
        ({"user_name:co": "%_S"}, [3, 6, 9, 12]),
        ({"user_name:ne": "ann"}, [3, 6, 9, 12]),
        ({"_tags": "odd,n:3"}, [3]),
        ({"_tags:any": "n:3,n:4"}, [3, 4]),
        ({"_tags:likeany": "n:1"}, [1, 10, 11, 12]),
        ({"_tags": "user:ann", "run_number": "5"}, [5]),
        ({"ts_epoch:ge": str(NOW - 120_000)}, [1, 2]),
        ({"duration:gt": "500000", "status": "running"}, [9, 10, 11, 12]),
        ({"status": "failed"}, []),
    ],
)
def test_runs_are_chosen_and_ordered(ui: Ui, query: dict[str, str], numbers: list[int]) -> None:
    assert _numbers(ui.get("/runs", {"_limit": "50", **query})) == list(numbers)
    pages = ui.all("/runs", 2, query)
    assert _numbers(pages) == list(numbers)


def test_runs_of_a_flow(ui: Ui) -> None:
    assert _numbers(ui.get("/flows/AlphaFlow/runs", {"_limit": "3"})) == [2, 4, 6]
    assert ui.get("/flows/Nowhere/runs") == []


def test_groups_have_pages_of_their_own(ui: Ui) -> None:
    query = {"_group": "flow_id", "_group_limit": "2"}
    assert _numbers(ui.get("/runs", query)) == [2, 4, 1, 3]
    first = ui.fetch("/runs", {**query, "_limit": "1"}).json()
    assert _numbers(first["data"]) == [2, 4]
    assert first["pages"]["next"] == 2
    second = ui.fetch("/runs", {**query, "_limit": "1", "_page": "2", "_order": "+run_number"}).json()
    assert _numbers(second["data"]) == [1, 3]
    assert second["pages"]["next"] is None
    assert _numbers(ui.get("/runs", {"_group": "user", "_group_limit": "1"})) == [1, 3]


def test_what_lies_below_a_run_has_its_tags(ui: Ui) -> None:
    path = "/flows/AlphaFlow/runs/kfp-12"
    (step,) = ui.get(path + "/steps")
    assert (step["tags"], step["tasks"], step["failed"], step["running"]) == (["n:12", "even"], 2, 0, 2)
    assert ui.get(path + "/steps/start") == step
    second, first = ui.get(path + "/tasks")
    assert (first["task_id"], first["task_name"], first["foreach_label"], first["status"]) == (
        1,
        "t-1",
        "x=1",
        "running",
    )
    assert ui.get(path + "/steps/start/tasks/t-2") == second
    assert ui.get(path + "/steps/start/tasks", {"task_id": "1"}) == [first]
    assert ui.get(path + "/tasks", {"foreach_label:co": "X=2"}) == [second]
    assert all(one["system_tags"] == ["user:ann"] for one in ui.get(path + "/metadata") + ui.get(path + "/artifacts"))


def test_artifacts_are_those_of_the_newest_attempt(ui: Ui) -> None:
    path = "/flows/AlphaFlow/runs/kfp-12"
    order = {"_order": "+task_id,+name"}
    assert [(one["task_id"], one["name"]) for one in ui.get(path + "/artifacts", order)] == [
        (1, "model0"),
        (2, "model1"),
    ]
    task = path + "/steps/start/tasks/2/artifacts"
    assert [one["name"] for one in ui.get(task)] == ["model1"]
    assert [one["name"] for one in ui.get(task, {"attempt_id": "0"})] == ["model0"]
    assert [one["name"] for one in ui.get(path + "/steps/start/artifacts", {"name": "model0"})] == ["model0"]


def test_metadata_knows_its_attempt(ui: Ui) -> None:
    found = ui.get("/flows/AlphaFlow/runs/12/steps/start/tasks/1/metadata", {"_order": "+id"})
    assert [(one["field_name"], one["value"], one["attempt_id"]) for one in found] == [
        ("attempt", "0", None),
        ("foreach-stack", "x=1", 0),
    ]
    assert len(ui.get("/flows/AlphaFlow/runs/12/metadata", {"field_name": "attempt"})) == 2


@pytest.mark.parametrize(
    ("path", "query", "names"),
    [
        ("/flows/autocomplete", {}, ["AlphaFlow", "BetaFlow"]),
        ("/flows/autocomplete", {"flow_id:co": "beta"}, ["BetaFlow"]),
        ("/flows/BetaFlow/runs/autocomplete", {"run:co": "1"}, ["1", "kfp-11"]),
        ("/flows/AlphaFlow/runs/12/steps/autocomplete", {"step_name:co": "st"}, ["start"]),
        ("/flows/AlphaFlow/runs/12/artifacts/autocomplete", {}, ["model0", "model1"]),
        ("/tags/autocomplete", {"tag:co": "n:1"}, ["n:1", "n:10", "n:11", "n:12"]),
        ("/tags", {"tag:co": "E"}, ["even", "user:ann"]),
        ("/tags/autocomplete", {"tag:co": "n:1", "_limit": "2", "_page": "2"}, ["n:11", "n:12"]),
    ],
)
def test_names_are_completed(ui: Ui, path: str, query: dict[str, str], names: list[str]) -> None:
    assert ui.get(path, query) == names


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/flows/Nowhere", 404),
        ("/flows/AlphaFlow/runs/13", 404),
        ("/flows/AlphaFlow/runs/kfp-13/tasks", 404),
        ("/flows/AlphaFlow/runs/12/steps/none", 404),
        ("/flows/AlphaFlow/runs/12/steps/start/tasks/3", 404),
        ("/flows/AlphaFlow/runs/12/steps/start/tasks/3/attempts", 404),
        ("/flows/AlphaFlow/runs/12/steps/start/tasks/1?attempt_id=7", 404),
        ("/flows/AlphaFlow/runs/12/steps/start/tasks/1?attempt_id=x", 400),
        ("/runs?run_number=x", 400),
        ("/runs?flow_id:what=x", 400),
        ("/nowhere", 404),
        ("/runs/", 404),
    ],
)
def test_what_cannot_be_is_refused_in_words(ui: Ui, path: str, status: int) -> None:
    assert set(ui.get(path, status=status)) == {"message", "request_id"}


def test_what_upstreams_pages_ask_for_at_their_start(ui: Ui) -> None:
    assert ui.fetch("/ping").text == "pong"
    assert ui.fetch("/version").text == "2.6.1"
    for path, body in (("/links", []), ("/notifications", []), ("/plugin", []), ("/features", {}), ("/config", {})):
        assert ui.fetch(path).json() == body
    assert [flow["flow_id"] for flow in ui.get("/flows", {"_tags": "of-flow"})] == ["AlphaFlow", "BetaFlow"]
    assert ui.get("/flows/AlphaFlow")["tags"] == ["of-flow"]
