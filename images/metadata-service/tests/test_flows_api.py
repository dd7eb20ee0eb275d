"""Routes of flows, over HTTP on each store."""

from __future__ import annotations

import pytest
from metadata_testbed.api import Api

pytestmark = pytest.mark.server


def test_a_flow_is_recorded_and_read_back(api: Api) -> None:
    body = {"user_name": "ann", "tags": ["a"], "system_tags": ["b"], "flow_id": "ignored", "ts_epoch": 1}
    made = api.post("/flows/Recorded", body)
    assert made == {
        "flow_id": "Recorded",
        "user_name": "ann",
        "tags": ["a"],
        "system_tags": ["b"],
        "ts_epoch": made["ts_epoch"],
    }
    assert made["ts_epoch"] > 1_700_000_000_000
    assert api.get("/flows/Recorded") == made
    assert made in api.get("/flows")


def test_what_is_not_said_is_null(api: Api) -> None:
    made = api.get(api.new_flow())
    assert (made["user_name"], made["tags"], made["system_tags"]) == (None, None, None)


def test_a_flow_is_recorded_once(api: Api) -> None:
    flow = api.new_flow()
    assert "recorded already" in api.message("POST", flow, 409, {"user_name": "other"})
    assert api.get(flow)["user_name"] is None


def test_a_flow_that_is_not_there(api: Api) -> None:
    assert "'Nowhere'" in api.message("GET", "/flows/Nowhere", 404)


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        ("/flows/" + "x" * 256, {}, "256 characters"),
        ("/flows/F", {"user_name": "x" * 256}, "$.user_name"),
        ("/flows/F", {"tags": "a"}, "$.tags"),
        ("/flows/F", {"tags": {"a": "b"}}, "$.tags"),
        ("/flows/F", {"system_tags": [1]}, "$.system_tags[0]"),
        ("/flows/F", {"user_name": 7}, "$.user_name"),
        ("/flows/F", [], "object"),
        ("/flows/F", b"", "not as expected"),
        ("/flows/F", b"{", "not as expected"),
        ("/flows/F", b"\xff", "not as expected"),
        ("/flows/F", b'{"user_name": "\xff"}', "not as expected"),
        ("/flows/F", b'{"user_name": "\\ud800"}', "not as expected"),
        ("/flows/F", b'{"user_name": "\\u0000"}', "NUL"),
        ("/flows/F", b'{"tags": ["a\\u0000b"]}', "NUL"),
        ("/flows/F", b'{"x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested"),
    ],
)
def test_what_cannot_be_a_flow_is_refused_by_name(api: Api, path: str, body: object, words: str) -> None:
    assert words in api.message("POST", path, 400, body)
    api.get("/flows/F", status=404)


def test_a_backslash_before_u0000_is_no_nul(api: Api) -> None:
    flow = "/flows/Backslash"
    assert api.post(flow, {"user_name": "\\u0000"})["user_name"] == "\\u0000"


def test_names_and_tags_of_all_scripts(api: Api) -> None:
    name = "Fluß-流れ-'; DROP TABLE flows_v3; --"
    api.post("/flows/" + name, {"user_name": "ü" * 255, "tags": ['"', "\\", "%", "\n", "x" * 5000, "🙂"]})
    made = api.get("/flows/" + name)
    assert made["flow_id"] == name
    assert made["user_name"] == "ü" * 255
    assert made["tags"] == ['"', "\\", "%", "\n", "x" * 5000, "🙂"]


def test_flows_come_in_pages_newest_first(api: Api) -> None:
    flows = [api.get(api.new_flow()) for _ in range(5)]
    pages = api.pages("/flows", 2)
    assert all(len(page) == 2 for page in pages[:-1])
    listed = [flow for page in pages for flow in page]
    assert listed == sorted(listed, key=lambda flow: (flow["ts_epoch"], flow["flow_id"]), reverse=True)
    assert [flow for flow in listed if flow in flows] == flows[::-1]
    assert len({flow["flow_id"] for flow in listed}) == len(listed)
