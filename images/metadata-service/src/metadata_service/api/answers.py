"""How answers look: JSON, the version header on everything, and one shape for all errors."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar
from urllib.parse import quote

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ExceptionHandler

from metadata_service.api.queries import Query, encode_cursor
from metadata_service.api.spooling import answer_spooled
from metadata_service.domain.refusals import (
    AlreadyThere,
    Forbidden,
    Malformed,
    NotFound,
    Protected,
    Refusal,
    StorageAway,
    TooLarge,
    TooOften,
    TooSlow,
    Unknown,
)
from metadata_service.domain.selection import Listing, Order, Take

log = logging.getLogger(__name__)

R = TypeVar("R")

_STATUSES: dict[type[Refusal], int] = {
    Malformed: 400,
    Unknown: 401,
    Forbidden: 403,
    NotFound: 404,
    TooSlow: 408,
    AlreadyThere: 409,
    TooLarge: 413,
    Protected: 422,
    TooOften: 429,
    StorageAway: 503,
}


_HEADERS = {401: {"WWW-Authenticate": "Bearer"}, 429: {"Retry-After": "1"}, 503: {"Retry-After": "1"}}


class Error(msgspec.Struct, frozen=True):
    """What is answered in place of what was asked for."""

    message: str
    request_id: str
    """The id under which the log tells more."""


_encoder = msgspec.json.Encoder()


def answer(body: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """The body as JSON."""
    return Response(_encoder.encode(body), status, headers, "application/json")


def answer_listing(listing: Listing[R], query: Query, order: Order) -> Response:
    """A list; with the headers of a page if the query asked for one."""
    headers = _ignored(query)
    if (page := query.selection.page) is not None:
        headers["X-Limit"] = str(page.limit)
        if listing.next is not None:
            headers["X-Next-Cursor"] = encode_cursor(listing.next, order)
    return answer(listing.records, headers=headers)


async def answer_whole(give: Callable[[Take[object]], Awaitable[None]], query: Query) -> Response:
    """A list without pages, as `give` gives it."""
    return await answer_spooled(give, _ignored(query))


def _ignored(query: Query) -> dict[str, str]:
    # The names are the client's, and a header holds few characters.
    names = ",".join(quote(name[:64], safe=":") for name in query.ignored[:16])
    return {"X-Ignored-Parameters": names} if names else {}


def answer_heartbeat(wait_seconds: int) -> Response:
    """JSON inside a JSON string: the client decodes it twice."""
    return answer(f'{{"wait_time_in_seconds": {wait_seconds}}}')


def answer_error(request: Request, status: int, message: str, headers: dict[str, str] | None = None) -> Response:
    """An error as JSON. It names the request, so that the line in the log is found; it never carries a traceback."""
    return answer(Error(message, request.scope.get("request_id", "")), status, headers)


def _refusal(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refusal)
    status = next(_STATUSES[kind] for kind in type(error).__mro__ if kind in _STATUSES)
    return answer_error(request, status, str(error), _HEADERS.get(status))


def _http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    message = f"{request.method} {request.scope['path']}: {error.detail}."
    return answer_error(request, error.status_code, message, dict(error.headers or {}))


def _hung_up(request: Request, error: Exception) -> Response:
    return answer_error(request, 400, "The client hung up before the whole body had arrived.")


def _bug(request: Request, error: Exception) -> Response:
    # The server's own log has the traceback: Starlette raises the error again after this answer.
    return answer_error(request, 500, "The service failed at this request. Its log tells more under the id.")


EXCEPTION_HANDLERS: dict[type[Exception], ExceptionHandler] = {
    Refusal: _refusal,
    HTTPException: _http_exception,
    ClientDisconnect: _hung_up,
    Exception: _bug,
}
