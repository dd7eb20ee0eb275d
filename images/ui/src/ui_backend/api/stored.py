"""Routes of what the datastore tells: logs, cards, previews of artifacts, parameters and the graph of a run."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from metadata_service.api import paths
from metadata_service.domain.keys import RunPath, StepPath, TaskPath
from metadata_service.domain.refusals import Malformed, NotFound
from metadata_service.domain.selection import FieldFilter
from metadata_service.storage.lineage import shown
from ui_backend.api.envelope import answer_list, answer_one
from ui_backend.api.queries import read_window, whole
from ui_backend.api.resources import reading
from ui_backend.datastore import artifacts, cards, logs
from ui_backend.datastore.files import Files, checked
from ui_backend.datastore.pickles import Unreadable
from ui_backend.datastore.roots import Datastore
from ui_backend.reading.lists import Record, Shown, Window

_PARAMETERS = "_parameters"
_GRAPH = "_graph_info"
_WINDOW = 65_536
_MOST_ROWS = 10_000
_ROWS = Shown(columns=("row",), key=(), default=())


def datastore(request: Request) -> Datastore:
    """What the application was made with."""
    found: Datastore = request.app.state.datastore
    return found


async def log_rows(request: Request) -> Response:
    """Both sources together, in numbered rows."""
    found = await _logs(request)
    window = read_window(request.query_params.multi_items(), _ROWS, shared=("attempt_id",), most=_MOST_ROWS)
    rows = await datastore(request).ask(lambda: logs.rows(list(found.values())))
    if window.order == (("row", True),):
        rows.reverse()
    last = window.offset + window.limit
    return answer_list(request, rows[window.offset : last], window.page, len(rows) > last)


async def log_window(request: Request) -> Response:
    """Whole lines of a log: the last ones, those before the byte `before`, or those from the byte `after` on."""
    log = await _log(request)
    before, after = (whole(request.query_params.get(name), name) for name in ("before", "after"))
    length = min(whole(request.query_params.get("length"), "length") or _WINDOW, logs.MOST)
    if before is not None and after is not None:
        raise Malformed("before, after: both are given. Give one of them, or none for the end of the log.")
    if after is not None:
        start = after
        return answer_one(request, await datastore(request).ask(lambda: log.after(start, length)))
    return answer_one(request, await datastore(request).ask(lambda: log.before(before, length)))


async def log_search(request: Request) -> Response:
    """Lines with the text `q`, from the byte `after` on."""
    log, text = await _log(request), request.query_params.get("q", "")
    if not text:
        raise Malformed("q: nothing is searched for. Give a text.")
    after = whole(request.query_params.get("after"), "after") or 0
    return answer_one(request, await datastore(request).ask(lambda: log.search(text, after)))


async def log_download(request: Request) -> Response:
    """All lines of a log without their marks, as a file."""
    log = await _log(request)
    parts = log.chunks()

    async def body() -> AsyncIterator[bytes]:
        while (part := await datastore(request).ask(lambda: next(parts, None))) is not None:
            yield part

    name = quote("-".join(str(part) for part in request.path_params.values()) + ".log")
    headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{name}", "Content-Security-Policy": "sandbox"}
    return StreamingResponse(body(), headers=headers, media_type="text/plain; charset=utf-8")


async def list_cards(request: Request) -> Response:
    files, task = await _task_files(request)
    folders = _card_folders(task)
    return answer_one(request, await datastore(request).ask(lambda: cards.cards_of(files, *folders)))


async def show_card(request: Request) -> Response:
    """The page of a card, fenced in by its headers."""
    files, task = await _task_files(request)
    folders, name = _card_folders(task), str(request.path_params["hash"])
    page = await datastore(request).ask(lambda: cards.page_of(files, *folders, name))
    return Response(page, headers=cards.HEADERS, media_type="text/html; charset=utf-8")


async def show_card_data(request: Request) -> Response:
    """What a card shows now, while its task runs; null where it says nothing."""
    files, task = await _task_files(request)
    folder, name = _card_folders(task)[0], str(request.path_params["hash"])
    return answer_one(request, await datastore(request).ask(lambda: cards.data_of(files, folder, name)))


async def preview_artifact(request: Request) -> Response:
    """What can be shown of an artifact of a task without loading it."""
    name = paths.artifact_name(request)
    attempt = whole(request.query_params.get("attempt_id"), "attempt_id")
    record = await _artifact(request, paths.task_path(request), name, attempt)
    files, path = _place(request, record)
    return answer_one(request, await datastore(request).ask(lambda: artifacts.preview(files, path)))


async def get_parameters(request: Request) -> Response:
    """The parameters of a run, each with what can be shown of its value; none before the run has recorded them."""
    run = paths.run_path(request)
    records = await _of_parameters(request, run)
    found: dict[str, Any] = {}
    if not any(record["name"] == _GRAPH for record in records):
        return answer_one(request, found)
    graph = await _plain(request, records, _GRAPH)
    wanted = {str(one.get("name")) for one in graph.get("parameters", []) if isinstance(one, dict)}
    for record in records:
        if record["name"] in wanted:
            files, path = _place(request, record)
            made = await datastore(request).ask(functools.partial(artifacts.preview, files, path))
            found[record["name"]] = {"value": made.value if made.kind != "none" else None, "preview": made}
    return answer_one(request, found)


async def get_graph(request: Request) -> Response:
    """The graph of a run's flow, as the flow itself has recorded it."""
    records = await _of_parameters(request, paths.run_path(request))
    return answer_one(request, await _plain(request, records, _GRAPH))


def _place(request: Request, record: Record) -> tuple[Files, str]:
    return datastore(request).place(record["ds_type"], record["location"], record["flow_id"], record["sha"])


async def _plain(request: Request, records: list[Record], name: str) -> Any:
    for record in records:
        if record["name"] == name:
            files, path = _place(request, record)
            try:
                return await datastore(request).ask(functools.partial(artifacts.plain, files, path))
            except Unreadable as reason:
                raise NotFound(f"The run's artifact {name} cannot be shown. {reason}") from reason
    raise NotFound(f"The run has recorded no artifact {name}.")


async def _of_parameters(request: Request, run: RunPath) -> list[Record]:
    path = StepPath(run.flow_id, run.run, _PARAMETERS)
    return (await reading(request).artifacts.list(path, Window(limit=1000))).records


async def _artifact(request: Request, path: TaskPath, name: str, attempt: int | None) -> Record:
    filters = [FieldFilter("name", "eq", (name,))]
    if attempt is not None:
        filters.append(FieldFilter("attempt_id", "eq", (attempt,)))
    page = await reading(request).artifacts.list(path, Window(limit=1, filters=tuple(filters)))
    if not page.records:
        raise NotFound(f"Artifact {name!r} of task {path.task!r} of run {path.run!r} does not exist.")
    return page.records[0]


async def _log(request: Request) -> logs.Log:
    """The log of the source that is asked for, by default of the first that has anything."""
    found = await _logs(request)
    source = request.query_params.get("source")
    if source is None:
        first, second = found.values()
        return first if await datastore(request).ask(first.size) else second
    if source not in found:
        raise Malformed(f"source: {source[:40]!r} is none. Use one of {', '.join(found)}.")
    return found[source]


async def _logs(request: Request) -> dict[str, logs.Log]:
    """The logs of an attempt, by default the newest, by their sources."""
    files, task = await _task_files(request)
    stream = str(request.path_params["stream"])
    if stream not in logs.STREAMS:
        raise NotFound(f"There is no log {stream[:40]!r}. Logs are {' and '.join(logs.STREAMS)}.")
    attempt = whole(request.query_params.get("attempt_id"), "attempt_id")
    if attempt is None:
        attempt = (await reading(request).tasks.get(paths.task_path(request)))["attempt_id"]
    folder = checked("/".join(_names(task)))
    return {source: logs.log_of(files, folder, attempt, source, stream) for source in logs.SOURCES}


def _names(task: Record) -> tuple[str, str, str, str]:
    run = str(shown(task["run_number"], task["run_id"]))
    return task["flow_id"], run, task["step_name"], str(shown(task["task_id"], task["task_name"]))


def _card_folders(task: Record) -> tuple[str, str]:
    return cards.folders(*_names(task))


async def _task_files(request: Request) -> tuple[Files, Record]:
    """The datastore that the task has recorded, and the task. Raises NotFound where either is not there."""
    path = paths.task_path(request)
    fields = FieldFilter("field_name", "eq", ("ds-type", "ds-root"))
    page = await reading(request).metadata.list(path, Window(limit=100, filters=(fields,), order=(("id", True),)))
    newest = {record["field_name"]: record for record in reversed(page.records)}
    if len(newest) < 2:
        raise NotFound(f"Task {path.task!r} has not recorded yet where its datastore is.")
    task = newest["ds-root"]
    return datastore(request).root(newest["ds-type"]["value"], task["value"]), task


ROUTES = [
    Route(paths.RUN + "/parameters", get_parameters),
    Route(paths.RUN + "/dag", get_graph),
    Route(paths.TASK + "/logs/{stream}", log_rows),
    Route(paths.TASK + "/logs/{stream}/window", log_window),
    Route(paths.TASK + "/logs/{stream}/search", log_search),
    Route(paths.TASK + "/logs/{stream}/download", log_download),
    Route(paths.TASK + "/cards", list_cards),
    Route(paths.TASK + "/cards/{hash}", show_card),
    Route(paths.TASK + "/cards/{hash}/data", show_card_data),
    Route(paths.TASK + "/artifacts/{artifact_name}/preview", preview_artifact),
]
