"""The application: the API below /api, the pages above it."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Collection
from urllib.parse import unquote_to_bytes

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.routing import Mount, Router
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from metadata_service.api.access import Access
from metadata_service.api.answers import EXCEPTION_HANDLERS, answer_error
from metadata_service.api.application import application as service_application
from metadata_service.settings import AccessSettings, Limits
from ui_backend.api import changing, code, operations, resources, sessions, stored, timelines
from ui_backend.api.admitting import admitted
from ui_backend.api.guarding import Guard
from ui_backend.api.pages import Pages
from ui_backend.datastore.roots import Datastore
from ui_backend.live import Live
from ui_backend.paged import PagesSettings
from ui_backend.reading.store import Reading

log = logging.getLogger("ui_backend.requests")

_PROBES = frozenset({"/api/ping", "/api/readyz"})
_LOGGED_PATH = 1000
_LIMITS = Limits(max_body_bytes=2**20, body_seconds=60.0)


def application(
    reading: Reading,
    datastore: Datastore,
    live: Live,
    access: AccessSettings | None = None,
    hosts: Collection[str] = (),
    pages: PagesSettings | None = None,
) -> ASGIApp:
    """An ASGI application that answers from the database and the datastore, tells what changes, and serves the pages.

    Without settings of access it answers everybody; with names of hosts only who asks for one of these.
    """
    access, storage = access or AccessSettings(), reading.database.storage
    for_readers = [admitted(route) for route in (*resources.ROUTES, *stored.ROUTES, *code.ROUTES, *timelines.ROUTES)]
    service = Mount("/metadata", service_application(storage, _LIMITS, access))
    # A path with a slash too much is not there, rather than sent elsewhere.
    routes = [*operations.ROUTES, *sessions.ROUTES, *for_readers, *changing.ROUTES, service]
    paged = pages or PagesSettings()
    api = Router(routes, redirect_slashes=False)
    shown = Pages(paged, "tokens" if access.tokens else "off", live.changes.now)
    app = Starlette(routes=[Mount("/api", api), *shown.routes], exception_handlers=EXCEPTION_HANDLERS)
    app.router.redirect_slashes = False
    app.state.reading = reading
    app.state.datastore = datastore
    app.state.live = live
    app.state.api = app
    app.state.storage = storage
    app.state.access = Access(access, storage)
    app.state.limits = _LIMITS
    app.state.pages = paged
    return Around(Guard(GZipMiddleware(app, minimum_size=2000, compresslevel=5), hosts))


class Around:
    """What happens around every request: an id, headers, one line in the log."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope["request_id"] = request_id = uuid.uuid4().hex
        started, status = time.perf_counter(), 0

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["X-Request-ID"] = request_id
                headers["X-Content-Type-Options"] = "nosniff"
                headers["Referrer-Policy"] = "no-referrer"
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        app = self._app if _readable(scope) else _unreadable
        try:
            await app(scope, receive, send_with_headers)
        finally:
            log.log(
                logging.DEBUG if scope["path"] in _PROBES and status < 400 else logging.INFO,
                "request",
                extra={
                    "request_id": request_id,
                    "method": scope["method"],
                    "path": scope["path"][:_LOGGED_PATH],
                    "status": status,
                    "ms": round((time.perf_counter() - started) * 1000, 1),
                },
            )


async def _unreadable(scope: Scope, receive: Receive, send: Send) -> None:
    await answer_error(Request(scope), 400, "The path is not text in UTF-8. Correct it.")(scope, receive, send)


def _readable(scope: Scope) -> bool:
    """Whether the path is what the client sent: a server replaces bytes that are no text, and databases refuse NUL."""
    try:
        return "\0" not in unquote_to_bytes(scope.get("raw_path") or scope["path"].encode()).decode()
    except UnicodeDecodeError:
        return False
