"""The shape of upstream's answers: data, status, links, pages and query."""

from __future__ import annotations

from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from metadata_service.api.answers import answer


def answer_one(request: Request, data: object) -> Response:
    """One object."""
    query = dict(request.query_params)
    return answer({"data": data, "status": 200, "links": {"self": _link(request, query)}, "query": query})


def answer_list(request: Request, data: object, page: int, more: bool) -> Response:
    """A page of a list. How many pages there are is not counted."""
    query = dict(request.query_params)
    previous, following = max(page - 1, 1), page + 1 if more else None
    links = {
        "self": _link(request, query),
        "first": _link(request, query, 1),
        "prev": _link(request, query, previous),
        "next": None if following is None else _link(request, query, following),
        "last": None,
    }
    pages = {"self": page, "first": 1, "prev": previous, "next": following, "last": None}
    return answer({"data": data, "status": 200, "links": links, "pages": pages, "query": query})


def _link(request: Request, query: dict[str, str], page: int | None = None) -> str:
    """Without a host: whoever stands in front of the service may be called anything."""
    parameters = query if page is None else {**query, "_page": str(page)}
    text = urlencode(parameters)
    return f"{request.url.path}?{text}" if text else request.url.path
