"""The built pages: files with names that change with their content, and one document for every address.

Addresses of pages are paths, so the document is given for all that is no file. Where the pages lie below another path
of a proxy, the document is told by a `base` element: by the setting, else by the header X-Forwarded-Prefix.
"""

from __future__ import annotations

import html
import re
import secrets
from urllib.parse import quote

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.staticfiles import StaticFiles

from ui_backend.paged import PagesSettings

_FILES = frozenset({"assets", "fonts"})
_PAGES = frozenset({*_FILES, "flows", "compare"})
_UPSTREAM = re.compile(r"(?P<flow>[A-Za-z_][A-Za-z0-9_]*)/(?P<run>[^/]+)")
"""A run by the address that Metaflow itself prints for it: METAFLOW_UI_URL/FLOW/RUN."""
_BASE = '<base href="/" />'
_NONCE = "__NONCE__"
_KUBEFLOW = "__KUBEFLOW__"
_AUTH = "__AUTH__"
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'nonce-{nonce}'; img-src 'self' data:; font-src 'self';"
    " connect-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'self'; frame-ancestors 'self'"
)
_UNBUILT = "The pages are not built. Run `make ui` in the checkout and set MF_UI_PAGES to the folder that it prints."


class Pages:
    """Serves the folder of the settings. `auth` is off or tokens, which the pages are told."""

    def __init__(self, settings: PagesSettings, auth: str = "off") -> None:
        self._settings = settings
        self._auth = auth
        self._files = StaticFiles(directory=settings.folder, check_dir=False) if settings.folder else None
        document = settings.folder / "index.html" if settings.folder else None
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
            answer = await self._files.get_response(path, request.scope)
            if isinstance(answer, FileResponse) and path.startswith("assets/"):
                # The name holds the hash of the content.
                answer.headers["Cache-Control"] = "public, max-age=31536000, immutable"
            return answer
        return self._show_document(request, self._document)

    def _show_document(self, request: Request, document: str) -> Response:
        nonce = secrets.token_urlsafe(16)
        base = f'<base href="{self._settings.path(request.headers)}" />'
        text = document.replace(_BASE, base).replace(_NONCE, nonce)
        text = text.replace(_AUTH, self._auth).replace(_KUBEFLOW, html.escape(self._settings.kubeflow))
        headers = {"Content-Security-Policy": _POLICY.format(nonce=nonce), "Cache-Control": "no-cache"}
        return Response(text, headers=headers, media_type="text/html; charset=utf-8")
