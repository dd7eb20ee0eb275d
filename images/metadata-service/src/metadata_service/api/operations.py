"""Routes for those who run the service."""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from metadata_service import API_VERSION
from metadata_service.api import paths
from metadata_service.api.answers import answer
from metadata_service.api.routing import Operation, PlainText
from metadata_service.domain.refusals import NotFound


class Health(msgspec.Struct, frozen=True):
    status: str


async def ping(request: Request) -> Response:
    """The process lives. The database is not asked: restarting this process would not bring it back."""
    return PlainTextResponse("pong")


async def version(request: Request) -> Response:
    return PlainTextResponse(API_VERSION)


async def readyz(request: Request) -> Response:
    """The database answers too. Raises StorageAway."""
    await paths.storage(request).ask()
    return answer(Health("UP"))


async def healthcheck(request: Request) -> Response:
    """The same, under upstream's name."""
    return await readyz(request)


async def token(request: Request) -> Response:
    raise NotFound("This service gives no tokens of AWS away. Give clients a key for their object store.")


ROUTES = [
    Operation("GET", "/ping", ping, needs=None, gives=PlainText),
    Operation("GET", "/version", version, needs=None, gives=PlainText),
    Operation("GET", "/healthcheck", healthcheck, needs=None, gives=Health, refuses=(503,)),
    Operation("GET", "/readyz", readyz, needs=None, gives=Health, refuses=(503,)),
    Operation("GET", "/auth/token", token, needs=None, gives=PlainText, refuses=(404,)),
]
