"""Changing the tags of a run."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from metadata_testbed.api import Api

pytestmark = pytest.mark.server


@pytest.fixture
def run(api: Api) -> str:
    return api.new_run(tags=["a", "b"], system_tags=["user:ann"])


@pytest.mark.parametrize(
    ("change", "tags"),
    [
        ({"tags_to_add": ["c"]}, ["a", "b", "c"]),
        ({"tags_to_add": ["a"]}, ["a", "b"]),
        ({"tags_to_add": ["user:ann"]}, ["a", "b"]),
        ({"tags_to_remove": ["a", "unknown"]}, ["b"]),
        ({"tags_to_remove": ["a"], "tags_to_add": ["a", "c", "c"]}, ["b", "a", "c"]),
        ({}, ["a", "b"]),
    ],
)
def test_tags_are_removed_and_then_added(api: Api, run: str, change: object, tags: list[str]) -> None:
    assert api.patch(run + "/tag/mutate", change) == {"tags": tags}
    assert api.get(run)["tags"] == tags
    assert api.get(run)["system_tags"] == ["user:ann"]


def test_a_run_without_tags_gets_some(api: Api) -> None:
    assert api.patch(api.new_run() + "/tag/mutate", {"tags_to_add": ["a"]}) == {"tags": ["a"]}


def test_a_system_tag_is_not_removed(api: Api, run: str) -> None:
    change = {"tags_to_remove": ["a", "user:ann"], "tags_to_add": ["c"]}
    assert "user:ann" in api.message("PATCH", run + "/tag/mutate", 422, change)
    assert api.get(run)["tags"] == ["a", "b"]


@pytest.mark.parametrize(
    "body", [{"tags_to_add": "a"}, {"tags_to_add": [5]}, {"tags_to_remove": "a"}, {"tags_to_remove": [None]}, [], b"x"]
)
def test_a_change_of_another_shape_is_refused(api: Api, run: str, body: object) -> None:
    api.message("PATCH", run + "/tag/mutate", 400, body)
    assert api.get(run)["tags"] == ["a", "b"]


def test_no_change_is_lost_beside_others_and_heartbeats(api: Api, run: str) -> None:
    def add(number: int) -> None:
        api.patch(run + "/tag/mutate", {"tags_to_add": [f"t{number}"]})
        api.post(run + "/heartbeat")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add, range(40)))
    assert set(api.get(run)["tags"]) == {"a", "b", *(f"t{number}" for number in range(40))}


def test_all_objects_of_a_run_show_its_tags(api: Api, run: str) -> None:
    step = api.new_step(run)
    task = api.new_task(step, tags=["own"], system_tags=["own"])
    api.post(task + "/artifact", [{"name": "x", "tags": ["own"]}])
    api.patch(run + "/tag/mutate", {"tags_to_add": ["late"]})
    found = [
        api.get(step),
        *api.get(run + "/steps"),
        api.get(task),
        *api.get(step + "/tasks"),
        api.get(task + "/artifacts/x"),
        *api.get(task + "/artifacts"),
        *api.get(step + "/artifacts"),
        *api.get(run + "/artifacts"),
        *api.get(task + "/attempt/0/artifacts"),
    ]
    assert len(found) == 9
    assert all(one["tags"] == ["a", "b", "late"] and one["system_tags"] == ["user:ann"] for one in found)


def test_a_predicate_on_tags_of_objects_means_those_of_the_run(api: Api, run: str) -> None:
    step = api.new_step(run)
    task = api.new_task(step, tags=["own"])
    api.post(task + "/artifact", [{"name": "x"}])
    for path in (run + "/steps", step + "/tasks", task + "/artifacts", run + "/artifacts"):
        assert len(api.get(path, {"_tags:all": "a,user:ann", "_limit": "5"})) == 1
        assert api.get(path, {"_tags:all": "a,own"}) == []
