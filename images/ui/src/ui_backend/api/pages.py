"""The built pages: files with names that change with their content, and one document for every address.

Addresses of pages are paths, so the document is given for all that is no file. Where the pages lie below another path
of a proxy, the document is told by a `base` element: by the setting, else by the header X-Forwarded-Prefix. It is also
told the cursor of the log of changes at its own moment: its page need not ask again what it asks thereafter.
"""

from __future__ import annotations

import asyncio
import html
import mimetypes
import re
import secrets
from collections.abc import Awaitable, Callable
from urllib.parse import quote

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.staticfiles import StaticFiles

from metadata_service.domain.refusals import StorageAway
from ui_backend.paged import PagesSettings

_FILES = frozenset({"assets", "fonts"})
_PAGES = frozenset({*_FILES, "flows", "compare"})
_UPSTREAM = re.compile(r"(?P<flow>[A-Za-z_][A-Za-z0-9_]*)/(?P<run>[^/]+)")
"""A run by the address that Metaflow itself prints for it: METAFLOW_UI_URL/FLOW/RUN."""
_BASE = '<base href="/" />'
_NONCE = "__NONCE__"
_KUBEFLOW = "__KUBEFLOW__"
_AUTH = "__AUTH__"
_CURSOR = "__CURSOR__"
_CURSOR_SECONDS = 0.5
"""The document does not wait longer for a database that may be away."""
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'nonce-{nonce}'; img-src 'self' data:; font-src 'self';"
    " connect-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'self'; frame-ancestors 'self'"
)
_UNBUILT = "The pages are not built. Run `make ui` in the checkout and set MF_UI_PAGES to the folder that it prints."


class Pages:
    """Serves the folder of the settings. `auth` is off or tokens, which the pages are told, and so is what `cursor`
    gives; that may raise StorageAway.
    """

    def __init__(
        self, settings: PagesSettings, auth: str = "off", cursor: Callable[[], Awaitable[str]] | None = None
    ) -> None:
        self._settings = settings
        self._auth = auth
        self._cursor = cursor
        folder = settings.folder
        self._files = StaticFiles(directory=folder, check_dir=False) if folder else None
        # Asked for by name, so that a name which no file can have is left to what gives out the files.
        self._packed = frozenset(one.relative_to(folder).as_posix() for one in folder.rglob("*.gz")) if folder else ()
        document = folder / "index.html" if folder else None
        self._document = document.read_text() if document and document.is_file() else None

    @property
    def routes(self) -> list[Route]:
        """Behind all other routes."""
        return [Route("/{path:path}", self.show)]

    async def show(self, request: Request) -> Response:
        """A file of the build, or the document. Raises HTTPException 404 for a file that is not there."""
        path = str(request.path_params["path"])
        if self._files is None or self._document is None:
            return PlainTextResponse(_UNBUILT, 404)
        if path.startswith("api/"):
            raise HTTPException(404)
        if (run := _UPSTREAM.fullmatch(path)) and run["flow"] not in _PAGES:
            base = self._settings.path(request.headers)
            return RedirectResponse(f"{base}flows/{quote(run['flow'])}/runs/{quote(run['run'])}")
        if path.partition("/")[0] in _FILES or (
            "." in path.rpartition("/")[2] and "/" not in path and path != "index.html"
        ):
            return await self._show_file(request, self._files, path)
        return await self._show_document(request, self._document)

    async def _show_file(self, request: Request, files: StaticFiles, path: str) -> Response:
        packed = f"{path}.gz" in self._packed and "gzip" in request.headers.get("accept-encoding", "")
        answer = await files.get_response(f"{path}.gz" if packed else path, request.scope)
        if isinstance(answer, FileResponse):
            if packed:
                answer.headers["Content-Encoding"] = "gzip"
                answer.headers["Content-Type"] = mimetypes.guess_type(path)[0] or "application/octet-stream"
                answer.headers.add_vary_header("Accept-Encoding")
            if path.startswith("assets/"):
                # The name holds the hash of the content.
                answer.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        return answer

    async def _now(self) -> str:
        if self._cursor is None:
            return ""
        try:
            return await asyncio.wait_for(self._cursor(), _CURSOR_SECONDS)
        except (StorageAway, asyncio.TimeoutError):
            return ""

    async def _show_document(self, request: Request, document: str) -> Response:
        nonce = secrets.token_urlsafe(16)
        base = f'<base href="{self._settings.path(request.headers)}" />'
        text = document.replace(_BASE, base).replace(_NONCE, nonce)
        text = text.replace(_AUTH, self._auth).replace(_KUBEFLOW, html.escape(self._settings.kubeflow))
        text = text.replace(_CURSOR, html.escape(await self._now()))
        headers = {"Content-Security-Policy": _POLICY.format(nonce=nonce), "Cache-Control": "no-cache"}
        return Response(text, headers=headers, media_type="text/html; charset=utf-8")
