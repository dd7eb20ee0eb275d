"""What the segments of a request's path mean."""

from __future__ import annotations

from starlette.requests import Request

from metadata_service.domain.keys import RunPath, StepPath, TaskPath, key, new_name
from metadata_service.domain.refusals import Malformed
from metadata_service.storage.interface import Storage

FLOWS = "/flows"
FLOW = FLOWS + "/{flow_id}"
RUNS = FLOW + "/runs"
RUN = RUNS + "/{run_number}"
STEPS = RUN + "/steps"
STEP = STEPS + "/{step_name}"
TASKS = STEP + "/tasks"
TASK = TASKS + "/{task_id}"


def storage(request: Request) -> Storage:
    """The store that the application was made with."""
    store: Storage = request.app.state.storage
    return store


def flow_id(request: Request) -> str:
    return _segment(request, "flow_id")


def run_path(request: Request) -> RunPath:
    """Raises NotFound for a number that cannot exist."""
    return RunPath(flow_id(request), key(_segment(request, "run_number"), "Run"))


def step_path(request: Request) -> StepPath:
    run = run_path(request)
    return StepPath(run.flow_id, run.run, _segment(request, "step_name"))


def task_path(request: Request) -> TaskPath:
    step = step_path(request)
    return TaskPath(step.flow_id, step.run, step.step_name, key(_segment(request, "task_id"), "Task"))


def new_flow_id(request: Request) -> str:
    """The flow that is to be created. Raises Malformed for a name that does not fit."""
    return new_name(flow_id(request), "flow_id")


def new_step_path(request: Request) -> StepPath:
    """The step that is to be created. Raises Malformed for a name that does not fit."""
    path = step_path(request)
    new_name(path.step_name, "step_name")
    return path


def artifact_name(request: Request) -> str:
    return _segment(request, "artifact_name")


def attempt(request: Request) -> int:
    """Raises Malformed for what is no number of an attempt."""
    text = _segment(request, "attempt_id")
    if not (text.isascii() and text.isdigit() and len(text) < 6):
        raise Malformed(f"attempt_id: {text[:40]!r} is not the number of an attempt. Attempts count from 0.")
    return int(text)


def _segment(request: Request, name: str) -> str:
    segment: str = request.path_params[name]
    return segment
