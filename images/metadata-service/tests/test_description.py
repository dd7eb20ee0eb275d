"""The OpenAPI description says what is served. Each answer of the tests of the API is held against it besides."""

from __future__ import annotations

import json

import httpx
import pytest
from metadata_testbed.api import Api
from metadata_testbed.described import check_answer
from schemathesis import openapi

from metadata_service.api.application import ROUTES, description


def test_every_route_is_described_and_nothing_else() -> None:
    served = {(route.path, method) for route in ROUTES for method in route.methods or () if method != "HEAD"}
    described = {(path, method.upper()) for path, item in description()["paths"].items() for method in item}
    assert described == served


def test_names_of_operations_are_unique_and_all_segments_are_described() -> None:
    operations = [(path, each) for path, item in description()["paths"].items() for each in item.values()]
    names = [each["operationId"] for _, each in operations]
    assert len(names) == len(set(names))
    for path, each in operations:
        segments = {each["name"] for each in each["parameters"] if each["in"] == "path"}
        assert segments == {part[1:-1] for part in path.split("/") if part.startswith("{")}


def test_it_is_valid_openapi() -> None:
    openapi.from_dict(description()).validate()


@pytest.mark.server
def test_it_is_served(api: Api) -> None:
    assert api.get("/openapi.json") == json.loads(json.dumps(description()))


@pytest.mark.parametrize(
    ("method", "path", "sent", "status", "given"),
    [
        ("GET", "/flows/F", b"", 200, b'{"flow_id": 1}'),
        ("GET", "/flows", b"", 200, b"[1]"),
        ("GET", "/flows/F", b"", 418, b'{"message": "", "request_id": ""}'),
        ("GET", "/flows/F", b"", 404, b"{}"),
        ("GET", "/nowhere", b"", 200, b"{}"),
        ("POST", "/flows/F/runs/1/steps/s/tasks/1/artifact", b'[{"name": 1}]', 200, b'{"artifacts_created": 1}'),
    ],
)
def test_an_answer_that_is_not_described_is_noticed(
    method: str, path: str, sent: bytes, status: int, given: bytes
) -> None:
    request = httpx.Request(method, f"http://service{path}", content=sent)
    response = httpx.Response(status, headers={"content-type": "application/json"}, content=given, request=request)
    with pytest.raises(AssertionError):
        check_answer(response)
