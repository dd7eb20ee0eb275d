"""Routes of runs."""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from metadata_service.api import paths
from metadata_service.api.access import check_tags, grant, narrowed, visible
from metadata_service.api.answers import answer, answer_heartbeat, answer_listing, answer_whole
from metadata_service.api.bodies import read_body
from metadata_service.api.queries import RUN_FIELDS, read_query
from metadata_service.api.routing import Operation
from metadata_service.domain.drafts import NewRun, TagChange
from metadata_service.domain.garbage import Removed
from metadata_service.domain.heartbeats import WAIT_SECONDS
from metadata_service.domain.keys import new_client_key
from metadata_service.domain.records import Run
from metadata_service.domain.refusals import Protected
from metadata_service.domain.selection import Listing, Order


class Tags(msgspec.Struct, frozen=True):
    """The tags that a run has after a change."""

    tags: tuple[str, ...]


async def list_runs(request: Request) -> Response:
    query = read_query(request.query_params.multi_items(), Order.RUNS, RUN_FIELDS)
    runs, flow_id, selection = paths.storage(request).runs, paths.flow_id(request), narrowed(request, query.selection)
    if selection.page is None:
        return await answer_whole(
            lambda take: runs.give(flow_id, selection, lambda records: take(visible(request, records))), query
        )
    listing = await runs.list(flow_id, selection)
    return answer_listing(Listing(visible(request, listing.records), listing.next), query, Order.RUNS)


async def get_run(request: Request) -> Response:
    return answer(await paths.storage(request).runs.get(paths.run_path(request)))


async def create_run(request: Request) -> Response:
    draft = await read_body(request, NewRun)
    new_client_key(draft.run_id, "run_number")
    check_tags(grant(request), draft.system_tags or ())
    return answer(await paths.storage(request).runs.create(paths.flow_id(request), draft))


async def delete_run(request: Request) -> Response:
    """The run with all that belongs to it. What it leaves in the datastore goes with the command `retention`."""
    path, runs = paths.run_path(request), paths.storage(request).runs
    shown = str((await runs.get(path)).run_number)
    heirs = sorted(str(run) for run, origin in await runs.origins(path.flow_id) if origin == shown != str(run))
    if heirs:
        raise Protected(f"Run {shown!r} was resumed as {', '.join(heirs[:5])}, which read from it. Remove those first.")
    return answer(await runs.delete(path))


async def beat_run(request: Request) -> Response:
    await paths.storage(request).runs.beat(paths.run_path(request))
    return answer_heartbeat(WAIT_SECONDS)


async def change_tags(request: Request) -> Response:
    path = paths.run_path(request)
    change = await read_body(request, TagChange)
    return answer(Tags(await paths.storage(request).runs.change_tags(path, change)))


ROUTES = [
    Operation("GET", paths.RUNS, list_runs, gives=list[Run], fields=RUN_FIELDS),
    Operation("GET", paths.RUN, get_run, gives=Run),
    Operation("POST", paths.FLOW + "/run", create_run, gives=Run, body=NewRun, refuses=(409,)),
    Operation("DELETE", paths.RUN, delete_run, gives=Removed, needs="admin"),
    Operation("POST", paths.RUN + "/heartbeat", beat_run, gives=str),
    Operation("PATCH", paths.RUN + "/tag/mutate", change_tags, gives=Tags, body=TagChange, refuses=(422,)),
]
