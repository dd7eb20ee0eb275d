"""Logging in and out with a token of the metadata service, and what only who may do everything is shown."""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from metadata_service.api.bodies import read_body
from metadata_service.domain.refusals import Forbidden, NotFound, Unknown
from metadata_service.domain.retention import Policies
from metadata_service.domain.tokens import Grant
from metadata_service.retention.sweeping import Wish, sweep
from ui_backend.api.admitting import access
from ui_backend.api.envelope import answer_one
from ui_backend.api.guarding import COOKIE
from ui_backend.paged import PagesSettings

_LONGEST_TOKEN = 512
_KEPT_SECONDS = 30 * 86_400


class Login(msgspec.Struct, frozen=True):
    token: str


class Session(msgspec.Struct, frozen=True):
    """Who the caller is. Without a caller it must log in first."""

    auth: str
    """off or tokens"""
    caller: str | None = None
    scope: str | None = None
    everywhere: bool = False


async def show(request: Request) -> Response:
    """Who the caller is, also when it is nobody yet."""
    try:
        grant = await access(request).admit(request, "read")
    except Unknown:
        return answer_one(request, Session(_auth(request)))
    return answer_one(request, _session(request, grant))


async def login(request: Request) -> Response:
    """Keep the token in a cookie that no script can read, if it is good for anything."""
    if not access(request).on:
        raise NotFound("Authentication is off, so nobody logs in. Set MF_METADATA_AUTH=tokens.")
    token = (await read_body(request, Login)).token.strip()
    if not (token.isascii() and token.isprintable() and 0 < len(token) <= _LONGEST_TOKEN):
        raise Unknown("The token is not known, or no longer valid. Ask for another.")
    headers = MutableHeaders(raw=list(request.scope["headers"]))
    headers["x-api-key"] = token
    grant = await access(request).admit(Request({**request.scope, "headers": headers.raw}), "read")
    response = answer_one(request, _session(request, grant))
    response.set_cookie(COOKIE, token, max_age=_KEPT_SECONDS, **_cookie(request))
    return response


async def logout(request: Request) -> Response:
    """Forget the token. It stays valid; to end it is another matter."""
    response = answer_one(request, Session(_auth(request)))
    response.delete_cookie(COOKIE, **_cookie(request))
    return response


async def try_retention(request: Request) -> Response:
    """How many runs policies would remove, whose JSON is the body. Nothing is removed."""
    grant = await access(request).admit(request, "admin")
    if not grant.everywhere:
        raise Forbidden(f"{grant.caller} does not reach everything, and this takes that. Use another token.")
    policies = await read_body(request, Policies)
    outcome = await sweep(request.app.state.storage, {}, Wish(policies, quiet_ms=0, dry_run=True))
    return answer_one(request, {"runs": outcome.runs})


def _session(request: Request, grant: Grant) -> Session:
    return Session(_auth(request), grant.caller, grant.scope, grant.everywhere)


def _auth(request: Request) -> str:
    return "tokens" if access(request).on else "off"


def _cookie(request: Request) -> dict[str, Any]:
    # A proxy that ends TLS says so. Whoever claims it without need only makes the cookie stricter.
    secure = "https" in (request.url.scheme, request.headers.get("x-forwarded-proto", "").lower())
    # Below a path of a proxy the cookie goes to the UI alone, and not to others of the same host.
    pages: PagesSettings = request.app.state.pages
    return {"path": pages.path(request.headers), "secure": secure, "httponly": True, "samesite": "strict"}


ROUTES = [
    Route("/session", show),
    Route("/login", login, methods=["POST"]),
    Route("/logout", logout, methods=["POST"]),
    Route("/retention/dry-run", try_retention, methods=["POST"]),
]
