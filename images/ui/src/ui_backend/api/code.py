"""Routes of the code that runs were made from."""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from metadata_service.api import paths
from metadata_service.domain.keys import RunPath, key
from metadata_service.domain.refusals import Malformed, NotFound
from metadata_service.domain.selection import FieldFilter
from ui_backend.api.admitting import access
from ui_backend.api.envelope import answer_one
from ui_backend.api.resources import reading
from ui_backend.api.stored import datastore
from ui_backend.datastore import packages
from ui_backend.datastore.pickles import Unreadable
from ui_backend.reading.lists import Window

_FIELD = "code-package"
CODE = paths.RUN + "/code"


class Package(msgspec.Struct, frozen=True):
    """What a task records of its package (metaflow/task.py)."""

    ds_type: str
    location: str
    sha: str = ""


async def list_code(request: Request) -> Response:
    """The files of a run's package."""
    return answer_one(request, packages.listed(await _package(request, paths.run_path(request))))


async def show_code(request: Request) -> Response:
    """A file of it as text: `path`."""
    run, name = paths.run_path(request), request.query_params.get("path", "")
    content = (await _package(request, run)).get(name)
    if content is None:
        raise NotFound(f"The package of run {run.run!r} has no file {name[:200]!r}.")
    try:
        return answer_one(request, {"path": name, "text": packages.shown(content)})
    except Unreadable as reason:
        raise NotFound(f"{name[:200]!r} cannot be shown. {reason}") from reason


async def compare_code(request: Request) -> Response:
    """What another run's package has in place of this one's: `with`, as FLOW/RUN."""
    flow, _, run = request.query_params.get("with", "").partition("/")
    if not flow or not run:
        raise Malformed("with: no run is named. Give FLOW/RUN.")
    other = RunPath(flow, key(run, "Run"))
    # The path names one run only, and the caller must be allowed both.
    named = Request({**request.scope, "path_params": {"flow_id": flow, "run_number": run}})
    await access(request).admit(named, "read")
    one, two = await _package(request, paths.run_path(request)), await _package(request, other)
    return answer_one(request, await datastore(request).ask(lambda: packages.differences(one, two)))


async def _package(request: Request, run: RunPath) -> dict[str, bytes]:
    fields = FieldFilter("field_name", "eq", (_FIELD,))
    page = await reading(request).metadata.list(run, Window(limit=1, filters=(fields,), order=(("id", False),)))
    if not page.records:
        raise NotFound(f"Run {run.run!r} of flow {run.flow_id!r} has recorded no code package.")
    try:
        package = msgspec.json.decode(page.records[0]["value"], type=Package)
    except msgspec.DecodeError as error:
        raise NotFound("What the run has recorded of its code package cannot be read.") from error
    files, path = datastore(request).place(package.ds_type, package.location, run.flow_id, package.sha)
    try:
        return await datastore(request).ask(lambda: packages.unpacked_package(files, path))
    except Unreadable as reason:
        raise NotFound(f"The code of run {run.run!r} cannot be shown. {reason}") from reason


ROUTES = [
    Route(CODE, list_code),
    Route(CODE + "/file", show_code),
    Route(CODE + "/diff", compare_code),
]
