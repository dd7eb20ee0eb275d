"""Routes of tasks."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from metadata_service.api import paths
from metadata_service.api.answers import answer, answer_heartbeat, answer_listing, answer_whole
from metadata_service.api.bodies import read_body
from metadata_service.api.queries import TASK_FIELDS, read_query
from metadata_service.api.routing import Operation
from metadata_service.domain.drafts import NewTask
from metadata_service.domain.heartbeats import WAIT_SECONDS
from metadata_service.domain.keys import new_client_key
from metadata_service.domain.records import Task
from metadata_service.domain.selection import Order


async def list_tasks(request: Request) -> Response:
    query = read_query(request.query_params.multi_items(), Order.TASKS, TASK_FIELDS)
    tasks, path = paths.storage(request).tasks, paths.step_path(request)
    if query.selection.page is None:
        return await answer_whole(lambda take: tasks.give(path, query.selection, take), query)
    listing = await tasks.list(path, query.selection)
    return answer_listing(listing, query, Order.TASKS)


async def list_tasks_with_metadata(request: Request) -> Response:
    field_name = request.query_params.get("metadata_field_name")
    pattern = request.query_params.get("pattern")
    return answer(await paths.storage(request).tasks.with_metadata(paths.step_path(request), field_name, pattern))


async def get_task(request: Request) -> Response:
    return answer(await paths.storage(request).tasks.get(paths.task_path(request)))


async def create_task(request: Request) -> Response:
    path = paths.step_path(request)
    draft = await read_body(request, NewTask)
    new_client_key(draft.task_name, "task_id")
    return answer(await paths.storage(request).tasks.create(path, draft))


async def beat_task(request: Request) -> Response:
    await paths.storage(request).tasks.beat(paths.task_path(request))
    return answer_heartbeat(WAIT_SECONDS)


ROUTES = [
    Operation("GET", paths.TASKS, list_tasks, gives=list[Task], fields=TASK_FIELDS),
    Operation(
        "GET",
        paths.STEP + "/filtered_tasks",
        list_tasks_with_metadata,
        gives=list[str],
        query={"metadata_field_name": "Name of a metadata field.", "pattern": "Regular expression for its value."},
    ),
    Operation("GET", paths.TASK, get_task, gives=Task),
    Operation("POST", paths.STEP + "/task", create_task, gives=Task, body=NewTask, refuses=(409,)),
    Operation("POST", paths.TASK + "/heartbeat", beat_task, gives=str),
]
