"""Whatever is sent, the service answers, and never with a fault of its own."""

from __future__ import annotations

import json
import socket
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from metadata_testbed.api import Api
from metadata_testbed.service import Service

from metadata_service.api.application import ROUTES

pytestmark = pytest.mark.server

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=300)
FIELDS = st.sampled_from(
    ["name", "tags", "system_tags", "user_name", "run_number", "task_id", "attempt_id", "field_name", "value", "type"]
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(FIELDS | st.text(max_size=5), inner, max_size=6),
)
BODIES = JSON.map(lambda body: json.dumps(body).encode()) | st.binary(max_size=200)
# Objects that are there are met as often as others.
SEGMENTS = st.sampled_from(["Fuzz", "1", "start", "t", "name", "0"]) | st.text(min_size=1, max_size=300)
QUERIES = st.lists(
    st.tuples(
        st.sampled_from(
            ["_limit", "_cursor", "_tags:any", "_tags:likeall", "status", "ts_epoch:ge", "user:co", "pattern"]
        )
        | st.text(max_size=20),
        st.text(max_size=50) | st.integers().map(str),
    ),
    max_size=3,
)

REQUESTS = sorted((method, route.path) for route in ROUTES for method in route.methods or ())


@pytest.fixture(scope="module")
def objects(api: Api) -> None:
    api.post("/flows/Fuzz")
    task = api.new_task(api.new_step(api.new_run("/flows/Fuzz", run_number="1x")), task_id="t")
    api.post(task + "/artifact", [{"name": "name"}])


@pytest.mark.usefixtures("objects")
@pytest.mark.parametrize(("method", "path"), REQUESTS)
@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_every_route_answers(api: Api, method: str, path: str, data: st.DataObject) -> None:
    while "{" in path:
        head, _, rest = path.partition("{")
        path = head + quote(data.draw(SEGMENTS), safe="") + rest.partition("}")[2]
    body = data.draw(BODIES) if method in ("POST", "PATCH") else b""
    response = api.http.request(method, path, params=tuple(data.draw(QUERIES)), content=body)
    assert response.status_code < 500, response.text


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
