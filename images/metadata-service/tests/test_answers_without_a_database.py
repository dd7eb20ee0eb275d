"""What the API answers when its store fails, and what never reaches the store."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterator
from typing import Any, cast

import httpx
import pytest

from metadata_service.api.application import application
from metadata_service.domain.refusals import NotFound, Refusal, StorageAway
from metadata_service.logs import JsonLines
from metadata_service.settings import Limits
from metadata_service.storage.interface import Storage

LIMITS = Limits(max_body_bytes=2**24, body_seconds=60)


class Failing:
    """A store where every part fails in the same way."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def __getattr__(self, name: str) -> Any:
        return self

    async def __call__(self, *arguments: object) -> None:
        raise self._error


def ask(error: Exception, method: str, path: str, *, content: bytes = b"", request_id: str = "") -> httpx.Response:
    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(application(cast(Storage, Failing(error)), LIMITS), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
            return await client.request(method, path, content=content, headers={"X-Request-ID": request_id})

    return asyncio.run(send())


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/readyz"),
        ("GET", "/healthcheck"),
        ("GET", "/flows"),
        ("GET", "/flows/F/runs/1/artifacts"),
        ("POST", "/flows/F"),
        ("POST", "/flows/F/runs/1/heartbeat"),
        ("PATCH", "/flows/F/runs/1/tag/mutate"),
    ],
)
def test_a_store_that_is_away_is_503_and_may_be_asked_again(method: str, path: str) -> None:
    response = ask(StorageAway("The database is away."), method, path, content=b"{}")
    assert response.status_code == 503
    assert response.headers["Retry-After"] == "1"
    assert response.json()["message"] == "The database is away."


def test_the_process_lives_without_its_store() -> None:
    assert ask(StorageAway("away"), "GET", "/ping").text == "pong"
    assert ask(StorageAway("away"), "GET", "/version").text == "2.6.1"


def test_a_bug_is_told_without_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        response = ask(KeyError("secret detail"), "GET", "/flows/F", request_id="id-1")
    assert response.status_code == 500
    assert "secret" not in response.text and "Traceback" not in response.text
    assert response.json()["request_id"] == response.headers["X-Request-ID"] == "id-1"
    assert response.headers["METADATA_SERVICE_VERSION"] == "2.6.1"
    (line,) = [record for record in caplog.records if record.getMessage() == "request"]
    assert (vars(line)["status"], vars(line)["request_id"]) == (500, "id-1")


def test_a_request_id_that_would_break_the_log_is_replaced() -> None:
    response = ask(NotFound("no"), "GET", "/flows/F", request_id='x" y')
    assert response.headers["X-Request-ID"] != 'x" y'


def test_every_reason_has_a_status() -> None:
    def kinds(base: type[Refusal]) -> Iterator[type[Refusal]]:
        for kind in base.__subclasses__():
            yield kind
            yield from kinds(kind)

    for kind in kinds(Refusal):
        assert 400 <= ask(kind("why"), "GET", "/flows/F").status_code <= 503


@pytest.mark.parametrize("path", ["/flows/%ff", "/flows/a%00b", "/flows/%ed%a0%80"])
def test_a_path_that_is_no_text_is_refused(path: str) -> None:
    assert ask(NotFound("reached the store"), "GET", path).status_code == 400


@pytest.mark.parametrize("path", ["/", "/flow", "/flows/", "/flows/F/runs/1/", "/flows/a%2Fb/runs", "/metadata/flows"])
def test_an_unknown_path_is_not_found(path: str) -> None:
    response = ask(StorageAway("reached the store"), "GET", path)
    assert response.status_code == 404
    assert response.json()["message"] != "reached the store"


@pytest.mark.parametrize(("method", "path"), [("PUT", "/flows/F"), ("DELETE", "/flows"), ("POST", "/ping")])
def test_a_method_that_is_not_served_is_405(method: str, path: str) -> None:
    response = ask(NotFound("no"), method, path)
    assert response.status_code == 405
    assert response.json()["message"].startswith(f"{method} {path}")


def test_no_tokens_are_given_away() -> None:
    assert ask(StorageAway("away"), "GET", "/auth/token").status_code == 404


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_without_authentication_there_are_no_tokens(method: str) -> None:
    response = ask(StorageAway("reached the store"), method, "/tokens", content=b"{}")
    assert response.status_code == 404 and "Authentication is off" in response.json()["message"]


def test_a_body_that_is_too_large_is_refused_before_it_is_read() -> None:
    response = ask(NotFound("reached the store"), "POST", "/flows/F", content=b" " * (LIMITS.max_body_bytes + 1))
    assert response.status_code == 413


def test_a_body_of_unknown_length_is_refused_when_it_grows_too_large() -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(LIMITS.max_body_bytes // 2**20 + 1):
            yield b" " * 2**20

    async def send() -> httpx.Response:
        async def stream() -> Any:
            for chunk in chunks():
                yield chunk

        transport = httpx.ASGITransport(application(cast(Storage, Failing(NotFound("reached the store"))), LIMITS))
        async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
            return await client.post("/flows/F", content=stream())

    assert asyncio.run(send()).status_code == 413


def test_a_body_that_does_not_arrive_is_given_up() -> None:
    async def send() -> httpx.Response:
        async def stream() -> Any:
            yield b"{"
            await asyncio.Event().wait()

        store = cast(Storage, Failing(NotFound("reached the store")))
        transport = httpx.ASGITransport(application(store, Limits(1000, 0.05)))
        async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
            return await client.post("/flows/F", content=stream())

    assert asyncio.run(send()).status_code == 408


def test_a_line_of_the_log_is_one_object() -> None:
    try:
        raise ValueError("two\nlines")
    except ValueError as error:
        record = logging.LogRecord(
            "x", logging.ERROR, __file__, 1, "bad\nthing\u2028 %s", ("here",), (ValueError, error, None)
        )
    record.request_id = "id-1"
    line = JsonLines().format(record)
    assert line.splitlines() == [line]
    content = json.loads(line)
    assert content["message"] == "bad\nthing\u2028 here" and content["request_id"] == "id-1"
    assert "two\nlines" in content["traceback"] and content["time"].endswith("+00:00")
