"""Routes of metadata."""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from metadata_service.api import paths
from metadata_service.api.answers import answer, answer_listing, answer_whole
from metadata_service.api.bodies import read_body
from metadata_service.api.queries import NO_FIELDS, read_query
from metadata_service.api.routing import Operation
from metadata_service.domain.drafts import NewMetadatum
from metadata_service.domain.keys import RunPath, TaskPath
from metadata_service.domain.records import Metadatum
from metadata_service.domain.refusals import Malformed, NotFound
from metadata_service.domain.selection import Order


class MetadataCreated(msgspec.Struct, frozen=True):
    """How many metadata were recorded."""

    metadata_created: int


async def list_metadata_of_run(request: Request) -> Response:
    return await _list(request, paths.run_path(request))


async def list_metadata_of_task(request: Request) -> Response:
    return await _list(request, paths.task_path(request))


async def record_metadata(request: Request) -> Response:
    drafts = await read_body(request, tuple[NewMetadatum, ...])
    try:
        count = await paths.storage(request).metadata.record(paths.task_path(request), drafts)
    except NotFound as error:
        # The API's word for it is 400: a client that is told 404 takes the route for missing.
        raise Malformed(f"need to register run_id and task_id first: {error}") from error
    return answer(MetadataCreated(count))


async def _list(request: Request, scope: RunPath | TaskPath) -> Response:
    query = read_query(request.query_params.multi_items(), Order.METADATA, NO_FIELDS)
    metadata = paths.storage(request).metadata
    if query.selection.page is None and isinstance(scope, RunPath):
        return await answer_whole(lambda take: metadata.give(scope, query.selection, take), query)
    listing = await metadata.list(scope, query.selection)
    return answer_listing(listing, query, Order.METADATA)


ROUTES = [
    Operation("GET", paths.RUN + "/metadata", list_metadata_of_run, gives=list[Metadatum], fields=NO_FIELDS),
    Operation("GET", paths.TASK + "/metadata", list_metadata_of_task, gives=list[Metadatum], fields=NO_FIELDS),
    Operation("POST", paths.TASK + "/metadata", record_metadata, gives=MetadataCreated, body=list[NewMetadatum]),
]
