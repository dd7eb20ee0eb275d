"""Flows, metadata and artifacts: rows as they are, with the tags of their run."""

from __future__ import annotations

from metadata_service.domain.keys import RunPath, StepPath, TaskPath
from metadata_service.domain.refusals import NotFound
from ui_backend.reading.ancestors import Scope, find
from ui_backend.reading.databases import Database
from ui_backend.reading.lists import Page, Record, Shown, Window, add_reach, page_of, windowed

FLOWS = Shown(
    columns=("flow_id", "user_name", "ts_epoch", "tags", "system_tags"),
    key=(("flow_id", False),),
    default=(("ts_epoch", True),),
)

METADATA = Shown(
    columns=(
        *("id", "step_name", "task_id", "task_name", "field_name", "value", "type", "user_name", "ts_epoch"),
        "attempt_id",
    ),
    key=(("id", True),),
    default=(("ts_epoch", True),),
)

ARTIFACTS = Shown(
    columns=(
        *("step_name", "task_id", "task_name", "name", "location", "ds_type", "sha", "type", "content_type"),
        *("user_name", "attempt_id", "ts_epoch"),
    ),
    key=(("step_name", False), ("task_id", False), ("name", False), ("attempt_id", True)),
    default=(("ts_epoch", True),),
)


class Flows:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(self, window: Window) -> Page:
        dialect = self._database.dialect
        conditions = dialect.conditions({})
        add_reach(conditions, dialect, window.reach, "x")
        for tag in window.tags:
            conditions.add(conditions.tagged(dialect.tags.replace("r.", "x."), tag))
        conditions.add_fields(window.filters, {name: f"x.{name}" for name in FLOWS.columns})
        query = windowed("SELECT * FROM flows_v3", FLOWS, window, conditions.sql())
        return page_of(await self._database.rows(query, conditions.parameters), FLOWS, window, dialect, {})

    async def get(self, flow_id: str) -> Record:
        """Raises NotFound."""
        dialect = self._database.dialect
        query = windowed("SELECT * FROM flows_v3", FLOWS, Window(limit=1), "x.flow_id = %(flow)s")
        rows = await self._database.rows(query, {"flow": flow_id})
        if not rows:
            raise NotFound(f"Flow {flow_id!r} does not exist.")
        return page_of(rows, FLOWS, Window(), dialect, {}).records[0]


class Metadata:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(self, path: RunPath | TaskPath, window: Window) -> Page:
        """All metadata of a run or a task; `attempt_id` where a tag names it. Raises NotFound without either."""
        scope = await find(self._database, path)
        attempt = self._database.dialect.attempt_tag()
        inner = f"SELECT m.*, {attempt} AS attempt_id FROM metadata_v3 AS m WHERE {scope.condition('m')}"
        return await _rows(self._database, scope, inner, METADATA, window)


class Artifacts:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(self, path: RunPath | StepPath | TaskPath, window: Window) -> Page:
        """The artifacts of the newest attempt of each task that has recorded any.

        With a filter on attempt_id those of all attempts that it lets through. Raises NotFound without the run or task.
        """
        scope = await find(self._database, path)
        newest = "max(a.attempt_id) OVER (PARTITION BY a.step_name, a.task_id)"
        inner = f"SELECT a.*, {newest} AS newest FROM artifact_v3 AS a WHERE {scope.condition('a')}"
        if not any(one.field == "attempt_id" for one in window.filters):
            inner = f"SELECT * FROM ({inner}) AS n WHERE n.attempt_id = n.newest"
        return await _rows(self._database, scope, inner, ARTIFACTS, window)


async def _rows(database: Database, scope: Scope, inner: str, shown: Shown, window: Window) -> Page:
    conditions = database.dialect.conditions(scope.parameters)
    conditions.add_fields(window.filters, {name: f"x.{name}" for name in shown.columns})
    rows = await database.rows(windowed(inner, shown, window, conditions.sql()), conditions.parameters)
    return page_of(rows, shown, window, database.dialect, scope.shared)
