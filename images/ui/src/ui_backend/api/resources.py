"""Routes of what the database tells: flows, runs, steps, tasks, metadata, artifacts, and names of each."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from metadata_service.api import paths
from metadata_service.api.access import check_tags, grant
from metadata_service.domain.keys import RunPath, StepPath, TaskPath
from metadata_service.storage.lineage import tag_list
from ui_backend.api.admitting import narrowed
from ui_backend.api.envelope import answer_list, answer_one
from ui_backend.api.queries import read_names, read_window, whole
from ui_backend.reading.below import ARTIFACTS, FLOWS, METADATA
from ui_backend.reading.lists import Page, Shown, Window
from ui_backend.reading.runs import RUNS
from ui_backend.reading.steps import STEPS
from ui_backend.reading.store import Reading
from ui_backend.reading.tasks import TASKS

Endpoint = Callable[[Request], Awaitable[Response]]

_RUN_GROUPS = ("flow_id", "user_name", "user", "status")
_OF_THE_RUN = ("flow_id", "run_number", "run_id")


def reading(request: Request) -> Reading:
    """What the application was made with."""
    found: Reading = request.app.state.reading
    return found


async def list_flows(request: Request) -> Response:
    window = narrowed(request, read_window(request.query_params.multi_items(), FLOWS))
    return _page(request, window, await reading(request).flows.list(window))


async def get_flow(request: Request) -> Response:
    flow = await reading(request).flows.get(paths.flow_id(request))
    check_tags(grant(request), tag_list(flow["system_tags"]))
    return answer_one(request, flow)


async def list_runs(request: Request) -> Response:
    """Of all flows, or of one."""
    window = narrowed(request, read_window(request.query_params.multi_items(), RUNS, _RUN_GROUPS))
    flow = request.path_params.get("flow_id")
    return _page(request, window, await reading(request).runs.list(window, flow))


async def get_run(request: Request) -> Response:
    return answer_one(request, await reading(request).runs.get(paths.run_path(request)))


async def get_step(request: Request) -> Response:
    return answer_one(request, await reading(request).steps.get(paths.step_path(request)))


async def get_task(request: Request) -> Response:
    """Its newest attempt, or the one that `attempt_id` names."""
    attempt = whole(request.query_params.get("attempt_id"), "attempt_id")
    return answer_one(request, await reading(request).tasks.get(paths.task_path(request), attempt))


Scope = RunPath | StepPath | TaskPath
Lister = Callable[[Reading, Request, Window], Awaitable[Page]]


def _below(shown: Shown, lister: Lister) -> Endpoint:
    """A list of what lies below a run."""

    async def list_below(request: Request) -> Response:
        window = read_window(request.query_params.multi_items(), shown, shown.columns, _OF_THE_RUN)
        return _page(request, window, await lister(reading(request), request, window))

    return list_below


def _page(request: Request, window: Window, page: Page) -> Response:
    return answer_list(request, page.records, window.page, page.more)


async def name_flows(request: Request) -> Response:
    filters, page, limit, offset = read_names(request.query_params.multi_items(), "flow_id")
    found = await reading(request).names.flows(filters, limit, offset, grant(request))
    return answer_list(request, found.names, page, found.more)


async def name_runs(request: Request) -> Response:
    filters, page, limit, offset = read_names(request.query_params.multi_items(), "run")
    found = await reading(request).names.runs(paths.flow_id(request), filters, limit, offset, grant(request))
    return answer_list(request, found.names, page, found.more)


async def name_steps(request: Request) -> Response:
    filters, page, limit, offset = read_names(request.query_params.multi_items(), "step_name")
    found = await reading(request).names.steps(paths.run_path(request), filters, limit, offset)
    return answer_list(request, found.names, page, found.more)


async def name_artifacts(request: Request) -> Response:
    filters, page, limit, offset = read_names(request.query_params.multi_items(), "name")
    found = await reading(request).names.artifacts(paths.run_path(request), filters, limit, offset)
    return answer_list(request, found.names, page, found.more)


async def name_tags(request: Request) -> Response:
    filters, page, limit, offset = read_names(request.query_params.multi_items(), "tag")
    found = await reading(request).names.tags(filters, limit, offset, grant(request))
    return answer_list(request, found.names, page, found.more)


ROUTES = [
    Route("/flows", list_flows),
    Route("/flows/autocomplete", name_flows),
    Route(paths.FLOW, get_flow),
    Route("/runs", list_runs),
    Route(paths.RUNS, list_runs),
    Route(paths.RUNS + "/autocomplete", name_runs),
    Route(paths.RUN, get_run),
    Route(paths.STEPS, _below(STEPS, lambda of, request, window: of.steps.list(paths.run_path(request), window))),
    Route(paths.STEPS + "/autocomplete", name_steps),
    Route(paths.STEP, get_step),
    Route(
        paths.RUN + "/tasks", _below(TASKS, lambda of, request, window: of.tasks.list(paths.run_path(request), window))
    ),
    Route(paths.TASKS, _below(TASKS, lambda of, request, window: of.tasks.list(paths.step_path(request), window))),
    Route(paths.TASK, get_task),
    Route(
        paths.TASK + "/attempts",
        _below(TASKS, lambda of, request, window: of.tasks.list(paths.task_path(request), window)),
    ),
    Route(
        paths.RUN + "/metadata",
        _below(METADATA, lambda of, request, window: of.metadata.list(paths.run_path(request), window)),
    ),
    Route(
        paths.TASK + "/metadata",
        _below(METADATA, lambda of, request, window: of.metadata.list(paths.task_path(request), window)),
    ),
    Route(
        paths.RUN + "/artifacts",
        _below(ARTIFACTS, lambda of, request, window: of.artifacts.list(paths.run_path(request), window)),
    ),
    Route(paths.RUN + "/artifacts/autocomplete", name_artifacts),
    Route(
        paths.STEP + "/artifacts",
        _below(ARTIFACTS, lambda of, request, window: of.artifacts.list(paths.step_path(request), window)),
    ),
    Route(
        paths.TASK + "/artifacts",
        _below(ARTIFACTS, lambda of, request, window: of.artifacts.list(paths.task_path(request), window)),
    ),
    Route("/tags", name_tags),
    Route("/tags/autocomplete", name_tags),
]
