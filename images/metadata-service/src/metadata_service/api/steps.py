"""Routes of steps."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from metadata_service.api import paths
from metadata_service.api.answers import answer, answer_listing
from metadata_service.api.bodies import read_body
from metadata_service.api.queries import NO_FIELDS, read_query
from metadata_service.api.routing import Operation
from metadata_service.domain.drafts import NewStep
from metadata_service.domain.records import Step
from metadata_service.domain.selection import Order


async def list_steps(request: Request) -> Response:
    query = read_query(request.query_params.multi_items(), Order.STEPS, NO_FIELDS)
    listing = await paths.storage(request).steps.list(paths.run_path(request), query.selection)
    return answer_listing(listing, query, Order.STEPS)


async def get_step(request: Request) -> Response:
    return answer(await paths.storage(request).steps.get(paths.step_path(request)))


async def create_step(request: Request) -> Response:
    path = paths.new_step_path(request)
    draft = await read_body(request, NewStep)
    return answer(await paths.storage(request).steps.create(path, draft))


ROUTES = [
    Operation("GET", paths.STEPS, list_steps, gives=list[Step], fields=NO_FIELDS),
    Operation("GET", paths.STEP, get_step, gives=Step),
    Operation("POST", paths.STEP + "/step", create_step, gives=Step, body=NewStep, refuses=(409,)),
]
