"""What stands before every request: the cookie of a login, and refusals of what another site makes a browser send.

A browser sends cookies, and what a proxy adds, with whatever any page asks it to send. So a request that changes
something must carry a header that only a page of the same origin can add; the programs that send a token in a header of
their own need no other.
"""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection, Request
from starlette.types import ASGIApp, Receive, Scope, Send

from metadata_service.api.answers import answer_error

COOKIE = "tributary_token"
"""Holds the token that somebody has logged in with."""

OWN_PAGE = "x-tributary-page"
"""The header that our pages add to what changes something. Its value does not matter."""

FORBIDDEN = 1008
"""The code with which a websocket is refused."""

_TOKENS = ("x-api-key", "authorization")
_ONLY_READ = frozenset({"GET", "HEAD", "OPTIONS"})


class Guard:
    """Wraps the application. `hosts` are the names under which it may be asked for; empty for any."""

    def __init__(self, app: ASGIApp, hosts: Collection[str] = ()) -> None:
        self._app = app
        self._hosts = frozenset(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        connection = HTTPConnection(scope)
        if reason := self._refusal(scope, connection.headers):
            if scope["type"] == "http":
                await answer_error(Request(scope), 403, reason)(scope, receive, send)
            else:
                await send({"type": "websocket.close", "code": FORBIDDEN, "reason": reason})
            return
        token = connection.cookies.get(COOKIE)
        if token and not _has_token(connection.headers):
            headers = MutableHeaders(raw=[pair for pair in scope["headers"] if pair[0] != b"cookie"])
            headers["x-api-key"] = token
            scope = {**scope, "headers": headers.raw}
        await self._app(scope, receive, send)

    def _refusal(self, scope: Scope, headers: Headers) -> str | None:
        if self._hosts and urlsplit(f"//{headers.get('host', '')}").hostname not in self._hosts:
            # Somebody's name may lead here, and what is read under it belongs to that somebody's pages.
            return "This is for the machine itself. Ask for it as 127.0.0.1 or localhost."
        if scope["type"] == "websocket":
            return "Another site has asked for this. Open the UI itself." if _of_another_site(headers) else None
        if scope["method"] in _ONLY_READ or _has_token(headers):
            return None
        if _of_another_site(headers) or OWN_PAGE not in headers:
            return (
                f"What changes something must come from the UI itself: with the header {OWN_PAGE}, or a token in one."
            )
        return None


def _has_token(headers: Headers) -> bool:
    return any(name in headers for name in _TOKENS)


def _of_another_site(headers: Headers) -> bool:
    """Whether a browser says that another site's page has asked. Programs say nothing of the kind."""
    if site := headers.get("sec-fetch-site"):
        return site not in ("same-origin", "none")
    origin = headers.get("origin")
    if not origin:
        return False
    forwarded = headers.get("x-forwarded-host", "").split(",")
    # What has no name, such as the origin "null" of a fenced-in page, is none of them.
    return urlsplit(origin).netloc not in {headers.get("host", ""), *(part.strip() for part in forwarded)} - {""}
