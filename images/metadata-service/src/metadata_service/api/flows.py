"""Routes of flows."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from metadata_service.api import paths
from metadata_service.api.answers import answer, answer_listing
from metadata_service.api.bodies import read_body
from metadata_service.api.queries import NO_FIELDS, read_query
from metadata_service.api.routing import Operation
from metadata_service.domain.drafts import NewFlow
from metadata_service.domain.records import Flow
from metadata_service.domain.selection import Order


async def list_flows(request: Request) -> Response:
    query = read_query(request.query_params.multi_items(), Order.FLOWS, NO_FIELDS)
    return answer_listing(await paths.storage(request).flows.list(query.selection), query, Order.FLOWS)


async def get_flow(request: Request) -> Response:
    return answer(await paths.storage(request).flows.get(paths.flow_id(request)))


async def create_flow(request: Request) -> Response:
    flow_id = paths.new_flow_id(request)
    draft = await read_body(request, NewFlow)
    return answer(await paths.storage(request).flows.create(flow_id, draft))


ROUTES = [
    Operation("GET", paths.FLOWS, list_flows, gives=list[Flow], fields=NO_FIELDS),
    Operation("GET", paths.FLOW, get_flow, gives=Flow),
    Operation("POST", paths.FLOW, create_flow, gives=Flow, body=NewFlow, refuses=(409,)),
]
