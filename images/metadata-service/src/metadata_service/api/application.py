"""The application: all routes on one store."""

from __future__ import annotations

import functools
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from metadata_service.api import artifacts, flows, metadata, metrics, operations, runs, steps, tasks, tokens
from metadata_service.api.access import Access
from metadata_service.api.answers import EXCEPTION_HANDLERS, answer
from metadata_service.api.description import Json, describe
from metadata_service.api.middleware import Envelope
from metadata_service.api.routing import Operation
from metadata_service.settings import AccessSettings, Limits
from metadata_service.storage.interface import Storage


async def openapi(request: Request) -> Response:
    """All routes, as OpenAPI describes them."""
    return answer(description())


ROUTES = [
    Operation("GET", "/openapi.json", openapi, needs=None, gives=dict[str, Any]),
    *operations.ROUTES,
    *metrics.ROUTES,
    *flows.ROUTES,
    *runs.ROUTES,
    *steps.ROUTES,
    *tasks.ROUTES,
    *artifacts.ROUTES,
    *metadata.ROUTES,
    *tokens.ROUTES,
]


@functools.cache
def description() -> Json:
    """The OpenAPI description of ROUTES."""
    return describe(ROUTES)


def application(storage: Storage, limits: Limits, access: AccessSettings | None = None) -> ASGIApp:
    """An ASGI application that answers from the store; without settings of access, to everybody."""
    app = Starlette(routes=ROUTES, exception_handlers=EXCEPTION_HANDLERS)
    # A path with a slash too much is not there. A redirect would make clients send POST bodies twice.
    app.router.redirect_slashes = False
    app.state.storage = storage
    app.state.limits = limits
    app.state.metrics = metrics.Metrics(storage)
    app.state.access = Access(access or AccessSettings(), storage)
    # Outside of Starlette's own layers, so that the answer to a bug has the headers and the line in the log too.
    return Envelope(app, app.state.metrics)
