"""Routes of artifacts."""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from metadata_service.api import paths
from metadata_service.api.answers import answer, answer_listing, answer_whole
from metadata_service.api.bodies import read_artifacts
from metadata_service.api.queries import NO_FIELDS, read_query
from metadata_service.api.routing import Operation
from metadata_service.domain.drafts import NewArtifact
from metadata_service.domain.keys import RunPath, StepPath, TaskPath
from metadata_service.domain.records import Artifact
from metadata_service.domain.refusals import Malformed, NotFound
from metadata_service.domain.selection import Order

_OF_ATTEMPT = paths.TASK + "/attempt/{attempt_id}/artifacts"
_NAMED = paths.TASK + "/artifacts/{artifact_name}"


class ArtifactsCreated(msgspec.Struct, frozen=True):
    """How many artifacts of a body were new."""

    artifacts_created: int


async def list_artifacts_of_run(request: Request) -> Response:
    return await _list(request, paths.run_path(request))


async def list_artifacts_of_step(request: Request) -> Response:
    return await _list(request, paths.step_path(request))


async def list_artifacts_of_task(request: Request) -> Response:
    return await _list(request, paths.task_path(request))


async def list_artifacts_of_attempt(request: Request) -> Response:
    path, attempt = paths.task_path(request), paths.attempt(request)
    listing = await paths.storage(request).artifacts.list_of_attempt(path, attempt)
    return answer(listing.records)


async def get_artifact(request: Request) -> Response:
    path, name = paths.task_path(request), paths.artifact_name(request)
    return answer(await paths.storage(request).artifacts.get(path, name, None))


async def get_artifact_of_attempt(request: Request) -> Response:
    path, name, attempt = paths.task_path(request), paths.artifact_name(request), paths.attempt(request)
    return answer(await paths.storage(request).artifacts.get(path, name, attempt))


async def record_artifacts(request: Request) -> Response:
    drafts = await read_artifacts(request)
    try:
        count = await paths.storage(request).artifacts.record(paths.task_path(request), drafts)
    except NotFound as error:
        # The API's word for it is 400: a client that is told 404 takes the route for missing.
        raise Malformed(f"need to register run_id and task_id first: {error}") from error
    return answer(ArtifactsCreated(count))


async def _list(request: Request, scope: RunPath | StepPath | TaskPath) -> Response:
    query = read_query(request.query_params.multi_items(), Order.ARTIFACTS, NO_FIELDS)
    artifacts = paths.storage(request).artifacts
    if query.selection.page is None and not isinstance(scope, TaskPath):
        return await answer_whole(lambda take: artifacts.give(scope, query.selection, take), query)
    listing = await artifacts.list(scope, query.selection)
    return answer_listing(listing, query, Order.ARTIFACTS)


ROUTES = [
    Operation("GET", paths.RUN + "/artifacts", list_artifacts_of_run, gives=list[Artifact], fields=NO_FIELDS),
    Operation("GET", paths.STEP + "/artifacts", list_artifacts_of_step, gives=list[Artifact], fields=NO_FIELDS),
    Operation("GET", paths.TASK + "/artifacts", list_artifacts_of_task, gives=list[Artifact], fields=NO_FIELDS),
    Operation("GET", _OF_ATTEMPT, list_artifacts_of_attempt, gives=list[Artifact]),
    Operation("GET", _NAMED, get_artifact, gives=Artifact),
    Operation("GET", _NAMED + "/attempt/{attempt_id}", get_artifact_of_attempt, gives=Artifact),
    Operation("POST", paths.TASK + "/artifact", record_artifacts, gives=ArtifactsCreated, body=list[NewArtifact]),
]
