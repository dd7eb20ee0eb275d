"""Routes for those who run the service."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from metadata_service import API_VERSION
from metadata_service.api import paths
from metadata_service.api.answers import answer
from metadata_service.domain.refusals import NotFound


async def ping(request: Request) -> Response:
    """The process lives. The database is not asked: restarting this process would not bring it back."""
    return PlainTextResponse("pong")


async def version(request: Request) -> Response:
    return PlainTextResponse(API_VERSION)


async def health(request: Request) -> Response:
    """The database answers too. Raises StorageAway."""
    await paths.storage(request).ask()
    return answer({"status": "UP"})


async def token(request: Request) -> Response:
    raise NotFound("This service gives no tokens of AWS away. Give clients a key for their object store.")


ROUTES = [
    Route("/ping", ping, methods=["GET"]),
    Route("/version", version, methods=["GET"]),
    Route("/healthcheck", health, methods=["GET"]),
    Route("/readyz", health, methods=["GET"]),
    Route("/auth/token", token, methods=["GET"]),
]
