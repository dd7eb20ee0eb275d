"""Metadata on PostgreSQL.

Metadata is a log: a field may be recorded again, also with an equal value, and readers take the newest. The schema
has no key that would tell a repeated request from a repeated fact, so a request that is sent again because its answer
was lost adds equal rows. Readers see no other values for it.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from metadata_service.domain.drafts import NewMetadatum
from metadata_service.domain.keys import RunPath, TaskPath
from metadata_service.domain.records import Metadatum
from metadata_service.domain.selection import Listing, Order, Selection, Take
from metadata_service.storage.lineage import Ancestors, shown
from metadata_service.storage.postgres.ancestors import find_ancestors
from metadata_service.storage.postgres.below_task import insert_below_task
from metadata_service.storage.postgres.conditions import Conditions
from metadata_service.storage.postgres.connections import Connection, Connections, Reading
from metadata_service.storage.postgres.lists import Ask, Question, give_list, read_list
from metadata_service.storage.rows import METADATA_COLUMNS
from metadata_service.storage.selecting import Row, paged

_TYPES = {
    "field_name": "text",
    "value": "text",
    "type": "text",
    "user_name": "text",
    "tags": "jsonb",
    "system_tags": "jsonb",
}
"""The columns of a metadatum that its draft gives, by the names of its fields."""


class PostgresMetadata:
    def __init__(self, connections: Connections, reading: Reading) -> None:
        self._connections = connections
        self._reading = reading

    async def record(self, path: TaskPath, drafts: Sequence[NewMetadatum]) -> int:
        rows = [{**msgspec.structs.asdict(draft), "value": draft.text()} for draft in drafts]
        return await insert_below_task(self._connections, path, "metadata_v3", _TYPES, rows)

    async def list(self, scope: RunPath | TaskPath, selection: Selection) -> Listing[Metadatum]:
        return await read_list(self._reading, _below(scope, selection), selection.page, Order.METADATA)

    async def give(self, scope: RunPath, selection: Selection, take: Take[Metadatum]) -> None:
        await give_list(self._reading, _below(scope, selection), take)


def _below(scope: RunPath | TaskPath, selection: Selection) -> Ask[Metadatum]:
    async def ask(connection: Connection) -> Question[Metadatum] | None:
        run = await find_ancestors(connection, scope)
        if run is None:
            return None
        outer = Conditions({"flow": run.flow_id, "run": run.run_number, "task": run.task_id})
        outer.add_selection(selection, {}, "m.tags || m.system_tags")
        tail = paged(outer, selection.page, Order.METADATA, "m")
        inner = "m.flow_id = %(flow)s AND m.run_number = %(run)s"
        if isinstance(scope, TaskPath):
            # Fetched before it is sorted. Otherwise the planner may walk the whole run's metadata in the order of
            # time, by the index that is made for pages of runs, to find the few rows of this task.
            outer.parameters["step"] = scope.step_name
            inner += " AND m.step_name = %(step)s AND m.task_id = %(task)s"
        kept = "MATERIALIZED" if isinstance(scope, TaskPath) else "NOT MATERIALIZED"
        query = f"""
            WITH found AS {kept} (SELECT * FROM metadata_v3 AS m WHERE {inner})
            SELECT {METADATA_COLUMNS} FROM found AS m WHERE {outer.sql()} {tail}
        """
        return query, outer.parameters, lambda row: _metadatum(run, row)

    return ask


def _metadatum(run: Ancestors, row: Row) -> Metadatum:
    ts_epoch, number, step_name, task_id, task_name, field_name, value, kind, user_name, *tags = row
    task = shown(task_id, task_name)
    return Metadatum(
        number, run.flow_id, run.shown_run, step_name, task, field_name, value, kind, user_name, ts_epoch, *tags
    )
