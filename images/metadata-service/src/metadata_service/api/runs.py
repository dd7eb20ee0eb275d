"""Routes of runs."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from metadata_service.api import paths
from metadata_service.api.answers import answer, answer_heartbeat, answer_listing
from metadata_service.api.bodies import read_body
from metadata_service.api.queries import RUN_FIELDS, read_query
from metadata_service.domain.drafts import NewRun, TagChange
from metadata_service.domain.heartbeats import WAIT_SECONDS
from metadata_service.domain.keys import new_client_key
from metadata_service.domain.selection import Order


async def list_runs(request: Request) -> Response:
    query = read_query(request.query_params.multi_items(), Order.RUNS, RUN_FIELDS)
    listing = await paths.storage(request).runs.list(paths.flow_id(request), query.selection)
    return answer_listing(listing, query, Order.RUNS)


async def get_run(request: Request) -> Response:
    return answer(await paths.storage(request).runs.get(paths.run_path(request)))


async def create_run(request: Request) -> Response:
    draft = await read_body(request, NewRun)
    new_client_key(draft.run_id, "run_number")
    return answer(await paths.storage(request).runs.create(paths.flow_id(request), draft))


async def beat_run(request: Request) -> Response:
    await paths.storage(request).runs.beat(paths.run_path(request))
    return answer_heartbeat(WAIT_SECONDS)


async def change_tags(request: Request) -> Response:
    path = paths.run_path(request)
    change = await read_body(request, TagChange)
    return answer({"tags": await paths.storage(request).runs.change_tags(path, change)})


ROUTES = [
    Route(paths.RUNS, list_runs, methods=["GET"]),
    Route(paths.RUN, get_run, methods=["GET"]),
    Route(paths.FLOW + "/run", create_run, methods=["POST"]),
    Route(paths.RUN + "/heartbeat", beat_run, methods=["POST"]),
    Route(paths.RUN + "/tag/mutate", change_tags, methods=["PATCH"]),
]
