"""Routes about the backend itself."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from metadata_service import API_VERSION
from metadata_service.api.answers import answer
from ui_backend.api.resources import reading


async def ping(request: Request) -> Response:
    """The process lives. Never asks the database."""
    return PlainTextResponse("pong")


async def version(request: Request) -> Response:
    """The version of upstream's API that is spoken."""
    return PlainTextResponse(API_VERSION)


async def readyz(request: Request) -> Response:
    """The database answers; 503 otherwise."""
    await reading(request).database.ask()
    return answer({"status": "ready"})


async def nothing(request: Request) -> Response:
    """What upstream's pages ask for at their start and may be empty: links, notifications, plugins."""
    return answer([])


async def settings(request: Request) -> Response:
    """What upstream's pages ask for at their start and may be empty: features and configuration."""
    return answer({})


ROUTES = [
    Route("/ping", ping),
    Route("/version", version),
    Route("/readyz", readyz),
    Route("/links", nothing),
    Route("/notifications", nothing),
    Route("/plugin", nothing),
    Route("/features", settings),
    Route("/config", settings),
]
