"""A route together with what it takes and gives. The table of routes is the one place that says either."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from metadata_service.api.queries import Fields


class PlainText:
    """What a route gives whose answer is a text and not JSON."""


class Operation(Route):
    """One method on one path.

    `gives` and `body` are types that msgspec knows; no body means that none is read. `fields` are what a list can be
    filtered by, None for what is no list. `query` holds further parameters with their meaning. `refuses` are the
    statuses besides those that follow from the rest.
    """

    def __init__(
        self,
        method: str,
        path: str,
        endpoint: Callable[[Request], Awaitable[Response]],
        *,
        gives: Any,
        body: Any = None,
        fields: Fields | None = None,
        query: dict[str, str] | None = None,
        refuses: tuple[int, ...] = (),
    ) -> None:
        super().__init__(path, endpoint, methods=[method])
        self.method = method
        self.gives = gives
        self.body = body
        self.fields = fields
        self.query = query or {}
        self.refuses = refuses
