"""What happens around every request: an id, the version header, one line in the log."""

from __future__ import annotations

import logging
import re
import time
import uuid
from urllib.parse import unquote_to_bytes

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from metadata_service import API_VERSION
from metadata_service.api.access import EVERYTHING
from metadata_service.api.answers import answer_error
from metadata_service.api.metrics import Metrics

log = logging.getLogger("metadata_service.requests")

_SANE_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")

_LOGGED_PATH = 1000

# Asked every few seconds by whoever watches the service; only their failures are worth a line.
_PROBES = frozenset({"/ping", "/readyz", "/healthcheck", "/metrics"})


class Envelope:
    """Wraps the application. Takes the caller's request id if it is one that may stand in a log."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        request_id = given if _SANE_ID.fullmatch(given) else uuid.uuid4().hex
        scope["request_id"] = request_id
        started = time.perf_counter()
        status = 0

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["METADATA_SERVICE_VERSION"] = API_VERSION
                headers["X-Request-ID"] = request_id
            await send(message)

        try:
            if _readable(scope):
                await self._app(scope, receive, send_with_headers)
            else:
                refusal = answer_error(Request(scope), 400, "The path is not text in UTF-8. Correct it.")
                await refusal(scope, receive, send_with_headers)
        finally:
            seconds = time.perf_counter() - started
            self._metrics.observe(scope["method"], scope.get("template", "none"), status, seconds)
            quiet = scope["path"] in _PROBES and status < 400
            log.log(
                logging.DEBUG if quiet else logging.INFO,
                "request",
                extra={
                    "request_id": request_id,
                    "method": scope["method"],
                    "path": scope["path"][:_LOGGED_PATH],
                    "status": status,
                    **({"caller": grant.caller} if (grant := scope.get("grant")) and grant is not EVERYTHING else {}),
                    "ms": round(seconds * 1000, 1),
                },
            )


def _readable(scope: Scope) -> bool:
    """Whether the path is what the client sent: a server replaces bytes that are no text, and databases refuse NUL."""
    raw = unquote_to_bytes(scope.get("raw_path") or scope["path"].encode())
    try:
        return "\0" not in raw.decode()
    except UnicodeDecodeError:
        return False
