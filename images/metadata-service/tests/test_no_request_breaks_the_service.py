"""Whatever is sent, the service answers, and never with a fault of its own. Random requests are in test_fuzz."""

from __future__ import annotations

import itertools
import socket
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from metadata_testbed.api import Api
from metadata_testbed.service import Service
from metadata_testbed.stores import Store

pytestmark = pytest.mark.server

SQL = [
    "'; DROP TABLE runs_v3; --",
    '"; DELETE FROM flows_v3; --',
    "' OR '1'='1",
    "x') RETURNING (SELECT version()) --",
    "%s %(flow)s :flow ?1 $1 {0}",
    "\\'; SELECT pg_sleep(100) --",
    "1 UNION SELECT NULL --",
    "${jndi:ldap://x} `id` $(id) /*",
]

BAD_BODIES = {
    "a deep list": b"[" * 500_000,
    "a deep list that ends": b"[" * 100_000 + b"]" * 100_000,
    "a deep object": b'{"tags":' * 100_000,
    "a deep value": b'[{"field_name": "x", "value": ' + b"[" * 100_000 + b"]" * 100_000 + b"}]",
    "a number without end": b'[{"name": "x", "attempt_id": ' + b"9" * 1_000_000 + b"}]",
    "a number too large": b'[{"name": "x", "attempt_id": 1e999}]',
    "no number": b'[{"name": "x", "attempt_id": NaN}]',
    "half a character": b'{"user_name": "\xc3"}',
    "half a pair": b'{"user_name": "\\ud800"}',
    "an overlong character": b'{"user_name": "\xc0\x80"}',
    "UTF-16": '{"user_name": "x"}'.encode("utf-16"),
    "a NUL": b'{"user_name": "a\\u0000b", "tags_to_add": ["\\u0000"]}',
    "compressed": b"\x1f\x8b\x08\x00" + b"\x00" * 100,
    "no JSON": b"user_name=x&tags=y",
    "a text": b'"text"',
    "a list of lists": b"[[[]]]",
    "wrong types": b'{"user_name": 1, "tags": {"a": 1}, "tags_to_add": 5, "run_number": [], "task_id": false}',
    "an object for a list": b'{"0": {"name": "x", "field_name": "y"}}',
}

_WITH_BODY = ["", "/run", "/step", "/task", "/artifact", "/metadata", "/tag/mutate"]

_names = itertools.count(1)


def target(api: Api, route: str, task: str) -> tuple[str, str]:
    """Method and path of a route that takes a body, under a task that exists."""
    flow, run, step = task.split("/runs/")[0], task.split("/steps/")[0], task.split("/tasks/")[0]
    return {
        "": ("POST", f"/flows/Hostile{next(_names)}"),
        "/run": ("POST", flow + "/run"),
        "/step": ("POST", f"{run}/steps/s{next(_names)}/step"),
        "/task": ("POST", step + "/task"),
        "/artifact": ("POST", task + "/artifact"),
        "/metadata": ("POST", task + "/metadata"),
        "/tag/mutate": ("PATCH", run + "/tag/mutate"),
    }[route]


@pytest.mark.parametrize("route", _WITH_BODY)
def test_no_body_is_too_strange(api: Api, route: str) -> None:
    task = api.new_task()
    for name, body in BAD_BODIES.items():
        method, path = target(api, route, task)
        answer = api.http.request(method, path, content=body)
        # Fields that this route does not know are ignored, whatever they hold.
        assert answer.status_code in (200, 400), f"{name}: {answer.text[:200]}"
    assert api.get(task)


@pytest.mark.parametrize("route", _WITH_BODY)
def test_a_body_over_the_limit_is_refused_unread(service: Service, api: Api, route: str) -> None:
    """Declared, it is refused at once; of unknown length, as soon as it is too long. 50 MB are never held."""
    method, path = target(api, route, api.new_task())
    assert api.http.request(method, path, content=b" " * 50_000_000).status_code == 413
    assert service.resident_kib() < 200 * 1024


def test_a_value_of_a_megabyte_is_stored(api: Api) -> None:
    task, value = api.new_task(), "\u00e4" * 500_000
    api.post(task + "/metadata", [{"field_name": "x", "value": value}])
    assert api.get(task + "/metadata")[0]["value"] == value


@pytest.mark.parametrize("text", SQL)
def test_sql_is_a_text_like_any_other(api: Api, store: Store, text: str) -> None:
    fields = ["name", "location", "ds_type", "sha", "type", "content_type", "user_name"]
    name = f"{text.replace('/', '')}{next(_names)}"
    flow = f"/flows/{quote(name)}"
    texts = {"user_name": text, "tags": [text], "system_tags": [text]}
    assert api.post(flow, texts)["flow_id"] == name
    run = f"{flow}/runs/{quote(api.post(flow + '/run', {**texts, 'run_number': name})['run_number'])}"
    step = f"{run}/steps/{quote(name)}"
    api.post(step + "/step", texts)
    task = f"{step}/tasks/{quote(api.post(step + '/task', {**texts, 'task_id': name})['task_id'])}"
    api.post(task + "/artifact", [{**dict.fromkeys(fields, text), "name": name}])
    api.post(task + "/metadata", [{"field_name": text, "value": text, "type": text, **texts}])
    api.patch(run + "/tag/mutate", {"tags_to_add": [text + "2"], "tags_to_remove": ["other"]})

    assert api.get(f"{task}/artifacts/{quote(name)}")["location"] == text
    assert api.get(task + "/metadata")[0]["value"] == api.get(task + "/metadata")[0]["field_name"] == text
    assert api.get(run)["tags"] == [text, text + "2"]
    assert api.get(run)["user_name"] == api.get(step)["user_name"] == api.get(task)["user_name"] == text
    found = api.get(step + "/filtered_tasks", {"metadata_field_name": text, "pattern": "."})
    assert found == [f"{name}/{name}/{name}/{name}"]
    queries = [{"user_name:eq": text}, {"user_name:co": text}, {"run_id": name}, {"_tags:likeall": text}]
    for query in queries:
        assert len(api.get(flow + "/runs", query)) == 1
    for parameter in ("_cursor", "_limit", "status", "ts_epoch:ge", "_tags:" + text, "user:" + text, "pattern"):
        assert api.http.get(flow + "/runs", params={parameter: text}).status_code in (200, 400)
    assert store.rows("SELECT count(*) FROM runs_v3 WHERE run_id = %(name)s", {"name": name}) == [(1,)]


def test_slow_clients_hold_up_nobody(service: Service, api: Api) -> None:
    """Bodies that come byte by byte, headers that do not end, answers that nobody reads."""
    task = api.new_task()
    api.post(task + "/metadata", [{"field_name": "x", "value": "x" * 1_000_000}])
    slow = [
        *[b"POST /flows/Slow HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{"] * 20,
        *[b"GET /ping HTTP/1.1\r\nHost: "] * 20,
        *[f"GET {task}/metadata HTTP/1.1\r\nHost: x\r\n\r\n".encode()] * 20,
    ]
    connections = [socket.create_connection(("127.0.0.1", service.port)) for _ in slow]
    try:
        for connection, request in zip(connections, slow, strict=True):
            connection.sendall(request)
        assert api.http.get("/ping").text == "pong"
        assert api.get(api.new_flow())
    finally:
        for connection in connections:
            connection.close()
    api.get("/flows/Slow", status=404)


def test_limits_can_be_set(tmp_path: Path, start_service: Callable[..., Service]) -> None:
    settings = {"MF_METADATA_MAX_BODY_BYTES": "1000", "MF_METADATA_BODY_TIMEOUT": "3"}
    service = start_service(tmp_path / "metadata.db", **settings)
    service.wait_until()
    with httpx.Client(base_url=service.url, timeout=60) as client:
        assert client.post("/flows/F", content=b"{" + b" " * 998 + b"}").status_code == 200
        assert "1000 bytes" in client.post("/flows/F", content=b" " * 1001).json()["message"]
    with socket.create_connection(("127.0.0.1", service.port), timeout=60) as connection:
        connection.sendall(b"POST /flows/G HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{")
        assert connection.recv(1000).startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET /ping HTTP/1.1\r\nHost: [\r\nConnection: close\r\n\r\n",
        b"GET /nowhere HTTP/1.1\r\nHost: [\r\nConnection: close\r\n\r\n",
        b"GET /flows/\xff HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"GET /flows?x%0d%0aInjected:%201=2 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"GET /flows?%F0%9F%99%82=2 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"POST /flows/F HTTP/1.1\r\nHost: x\r\nContent-Length: many\r\n\r\n",
        b"POST /flows/F HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\nConnection: close\r\n\r\n",
        b"nonsense\r\n\r\n",
    ],
)
def test_a_strange_request_is_answered(service: Service, request_bytes: bytes) -> None:
    with socket.create_connection(("127.0.0.1", service.port), timeout=20) as connection:
        connection.sendall(request_bytes)
        answer = b""
        while chunk := connection.recv(65536):
            answer += chunk
    head = answer.partition(b"\r\n\r\n")[0]
    assert head.startswith((b"HTTP/1.1 2", b"HTTP/1.1 4")), answer
    assert b"\r\ninjected:" not in head.lower()
