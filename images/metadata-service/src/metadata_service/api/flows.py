"""Routes of flows."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from metadata_service.api import paths
from metadata_service.api.access import check_tags, grant, narrowed, visible
from metadata_service.api.answers import answer, answer_listing
from metadata_service.api.bodies import read_body
from metadata_service.api.queries import NO_FIELDS, read_query
from metadata_service.api.routing import Operation
from metadata_service.domain.drafts import NewFlow
from metadata_service.domain.garbage import Removed
from metadata_service.domain.keys import RunPath
from metadata_service.domain.records import Flow
from metadata_service.domain.selection import Listing, Order, Page, Selection
from metadata_service.storage.lineage import tag_list

_AT_ONCE = 100
"""Runs of a flow that are looked up at once while it is removed."""


async def list_flows(request: Request) -> Response:
    query = read_query(request.query_params.multi_items(), Order.FLOWS, NO_FIELDS)
    of = grant(request)
    listing = await paths.storage(request).flows.list(narrowed(request, query.selection))
    seen = [flow for flow in visible(request, listing.records) if of.reaches_flow(flow.flow_id)]
    return answer_listing(Listing(seen, listing.next), query, Order.FLOWS)


async def get_flow(request: Request) -> Response:
    flow = await paths.storage(request).flows.get(paths.flow_id(request))
    check_tags(grant(request), tag_list(flow.system_tags))
    return answer(flow)


async def create_flow(request: Request) -> Response:
    flow_id = paths.new_flow_id(request)
    draft = await read_body(request, NewFlow)
    check_tags(grant(request), draft.system_tags or ())
    return answer(await paths.storage(request).flows.create(flow_id, draft))


async def delete_flow(request: Request) -> Response:
    """All runs of the flow, one after the other, and then the flow: interrupted, it is asked again."""
    storage, flow_id = paths.storage(request), paths.flow_id(request)
    check_tags(grant(request), tag_list((await storage.flows.get(flow_id)).system_tags))
    removed = Removed()
    while runs := (await storage.runs.list(flow_id, Selection(Page(_AT_ONCE)))).records:
        for run in runs:
            check_tags(grant(request), tag_list(run.system_tags))
            removed += await storage.runs.delete(RunPath(flow_id, run.run_number))
    await storage.flows.delete(flow_id)
    return answer(removed)


ROUTES = [
    Operation("GET", paths.FLOWS, list_flows, gives=list[Flow], fields=NO_FIELDS),
    Operation("GET", paths.FLOW, get_flow, gives=Flow),
    Operation("DELETE", paths.FLOW, delete_flow, gives=Removed, needs="admin", refuses=(422,)),
    Operation("POST", paths.FLOW, create_flow, gives=Flow, body=NewFlow, refuses=(409,)),
]
