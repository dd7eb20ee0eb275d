"""Routes of metadata, over HTTP on each store."""

from __future__ import annotations

import pytest
from metadata_testbed.api import Api

pytestmark = pytest.mark.server


def datum(field: str, value: object, **fields: object) -> dict[str, object]:
    return {"field_name": field, "value": value, "type": field, "user_name": "ann", "tags": ["attempt_id:0"], **fields}


def test_metadata_is_recorded_in_order_and_read_back(api: Api) -> None:
    run = api.new_run(tags=["of-the-run"])
    task = api.new_task(api.new_step(run))
    body = [datum("attempt", "0"), datum("b", "2"), datum("a", "1")]
    assert api.post(task + "/metadata", body) == {"metadata_created": 3}
    listed = api.get(task + "/metadata")
    assert [one["field_name"] for one in listed] == ["attempt", "b", "a"]
    assert [one["id"] for one in listed] == sorted(one["id"] for one in listed)
    assert listed[0] == {
        **datum("attempt", "0"),
        "flow_id": run.split("/")[2],
        "run_number": int(run.rpartition("/")[2]),
        "step_name": "start",
        "task_id": int(task.rpartition("/")[2]),
        "system_tags": None,
        "id": listed[0]["id"],
        "ts_epoch": listed[0]["ts_epoch"],
    }
    assert api.get(run + "/metadata") == listed


def test_a_field_may_be_recorded_again(api: Api) -> None:
    task = api.new_task()
    for value in ("a", "b", "a"):
        api.post(task + "/metadata", [datum("x", value)])
    assert [one["value"] for one in api.get(task + "/metadata")] == ["a", "b", "a"]


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        ("text", "text"),
        ("", ""),
        ('{"json": "in a string"}', '{"json": "in a string"}'),
        ("'; DROP TABLE metadata_v3; --", "'; DROP TABLE metadata_v3; --"),
        ("é\n🙂\\", "é\n🙂\\"),
        (5, "5"),
        (True, "true"),
        (None, "null"),
        ([1, "a"], '[1, "a"]'),
        (10**40, str(10**40)),
    ],
)
def test_values_are_kept_as_text(api: Api, value: object, stored: str) -> None:
    task = api.new_task()
    api.post(task + "/metadata", [datum("x", value)])
    assert api.get(task + "/metadata")[0]["value"] == stored


def test_a_value_may_be_long(api: Api) -> None:
    task = api.new_task()
    value = "x" * 5_000_000
    api.post(task + "/metadata", [datum("x", value)])
    assert api.get(task + "/metadata")[0]["value"] == value


def test_a_body_over_the_limit_is_refused(api: Api) -> None:
    task = api.new_task()
    assert "16777216 bytes" in api.message("POST", task + "/metadata", 413, [datum("x", "x" * 16777216)])
    assert api.get(task + "/metadata") == []


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"field_name": "x" * 256}, "$[1].field_name"),
        ({"type": "x" * 256}, "$[1].type"),
        ({"type": None}, "$[1].type"),
        ({"user_name": "x" * 256}, "$[1].user_name"),
        ({"field_name": 5}, "$[1].field_name"),
        ({"tags": [5]}, "$[1].tags[0]"),
        ({"value": "a\0b"}, "NUL"),
    ],
)
def test_one_wrong_datum_keeps_all_out(api: Api, wrong: dict[str, object], words: str) -> None:
    task = api.new_task()
    message = api.message("POST", task + "/metadata", 400, [datum("good", "1"), {**datum("bad", "2"), **wrong}])
    assert words in message
    assert api.get(task + "/metadata") == []


@pytest.mark.parametrize(
    "body", [b'[{"field_name": "x", "value": "\xff"}]', b'[{"field_name": "x", "value": ["\xff"]}]']
)
def test_a_value_that_is_no_text_is_refused(api: Api, body: bytes) -> None:
    api.message("POST", api.new_task() + "/metadata", 400, body)


def test_a_field_must_have_a_name(api: Api) -> None:
    assert "field_name" in api.message("POST", api.new_task() + "/metadata", 400, [{"value": "1"}])


def test_metadata_comes_in_pages_newest_first(api: Api) -> None:
    run = api.new_run(run_number="kfp-1")
    task = api.new_task(api.new_step(run), task_id="t-1")
    api.post(task + "/metadata", [datum("x", str(number)) for number in range(5)])
    for path in (task, run):
        pages = api.pages(path + "/metadata", 2)
        assert [[one["value"] for one in page] for page in pages] == [["4", "3"], ["2", "1"], ["0"]]
        assert {(one["run_number"], one["task_id"]) for page in pages for one in page} == {("kfp-1", "t-1")}


def test_a_predicate_on_tags_means_the_datums_own(api: Api) -> None:
    run = api.new_run(tags=["of-the-run"])
    task = api.new_task(api.new_step(run))
    api.post(task + "/metadata", [datum("x", "0"), datum("x", "1", tags=["attempt_id:1"])])
    assert [one["value"] for one in api.get(task + "/metadata", {"_tags:any": "attempt_id:1"})] == ["1"]
    assert api.get(run + "/metadata", {"_tags:any": "of-the-run"}) == []


def test_lists_of_what_is_not_there_are_empty(api: Api) -> None:
    run = api.new_run()
    assert api.get(run + "/metadata") == []
    assert api.get(run + "/steps/x/tasks/1/metadata") == []
    assert api.get(api.new_flow() + "/runs/none/metadata") == []
