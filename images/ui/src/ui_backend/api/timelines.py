"""The route of a run's timeline."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from metadata_service.api import paths
from ui_backend.api.envelope import answer_one
from ui_backend.api.resources import reading


async def get_timeline(request: Request) -> Response:
    """All attempts of the run by columns."""
    return answer_one(request, await reading(request).timelines.get(paths.run_path(request)))


ROUTES = [Route(paths.RUN + "/timeline", get_timeline)]
