"""A route together with what it takes and gives. The table of routes is the one place that says either."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Literal

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import Scope as ConnectionScope

from metadata_service.api.access import access
from metadata_service.api.queries import Fields
from metadata_service.domain.tokens import Scope


class PlainText:
    """What a route gives whose answer is a text and not JSON."""


class Operation(Route):
    """One method on one path.

    `gives` and `body` are types that msgspec knows; no body means that none is read. `fields` are what a list can be
    filtered by, None for what is no list. `needs` is what the caller must be allowed, None for what everybody may: by
    default a GET needs to read and everything else to write. `query` holds further parameters with their meaning.
    `refuses` are the statuses besides those that follow from the rest.
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
        needs: Scope | Literal["by method"] | None = "by method",
        query: dict[str, str] | None = None,
        refuses: tuple[int, ...] = (),
    ) -> None:
        if needs == "by method":
            needs = "read" if method == "GET" else "write"

        async def admitted(request: Request) -> Response:
            request.scope["template"] = path
            if needs is not None:
                grant = await access(request).admit(request, needs)
                request.scope["grant"] = grant
            return await endpoint(request)

        super().__init__(path, admitted, methods=[method], name=endpoint.__name__)
        self._slashes = path.count("/")
        self.needs = needs
        self.method = method
        self.gives = gives
        self.body = body
        self.fields = fields
        self.query = query or {}
        self.refuses = refuses

    def matches(self, scope: ConnectionScope) -> tuple[Match, ConnectionScope]:
        """As that of a route. Of some forty most have another number of segments, which costs less to see."""
        if not scope.get("root_path") and scope["path"].count("/") != self._slashes:
            return Match.NONE, {}
        return super().matches(scope)
