"""Who may see what: the metadata service's access, asked before each route of the UI."""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable, Sequence

from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Scope

from metadata_service.api.access import Access, grant
from metadata_service.domain.keys import RunPath
from metadata_service.domain.tokens import Grant
from ui_backend.reading.changes import Change
from ui_backend.reading.lists import Window


def access(connection: HTTPConnection) -> Access:
    """What the application was made with."""
    found: Access = connection.app.state.access
    return found


def admitted(route: Route) -> Route:
    """The same route for those who may read what its path names."""
    endpoint: Callable[[Request], Awaitable[Response]] = route.endpoint

    async def ask_first(request: Request) -> Response:
        request.scope["grant"] = await access(request).admit(request, "read")
        return await endpoint(request)

    return Route(route.path, ask_first, name=route.name)


def narrowed(request: Request, window: Window) -> Window:
    """The window, without what the caller may not see."""
    return dataclasses.replace(window, reach=grant(request))


async def admit_socket(connection: HTTPConnection) -> Grant:
    """What whoever opened a websocket may do. Raises Unknown, Forbidden and TooOften."""
    return await access(connection).admit(Request(as_get(connection.scope)), "read")


def as_get(scope: Scope) -> Scope:
    """The scope of a GET by whoever opened the websocket of this one."""
    return {**scope, "type": "http", "method": "GET", "path_params": {}}


async def reached(connection: HTTPConnection, of: Grant, changes: Sequence[Change]) -> list[Change]:
    """Those of the changes that somebody with this grant may be told."""
    if of.everywhere:
        return list(changes)
    told = []
    for change in changes:
        if of.reaches_flow(change.flow_id) and (not of.projects or await _of_project(connection, of, change)):
            told.append(change)
    return told


async def _of_project(connection: HTTPConnection, of: Grant, change: Change) -> bool:
    if change.run_number is None:
        return False
    return await access(connection).reaches(of, RunPath(change.flow_id, change.run_number))
