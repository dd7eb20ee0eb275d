"""Metadata on PostgreSQL.

Metadata is a log: a field may be recorded again, also with an equal value, and readers take the newest. The schema
has no key that would tell a repeated request from a repeated fact, so a request that is sent again because its answer
was lost adds equal rows. Readers see no other values for it.
"""

from __future__ import annotations

from collections.abc import Sequence

from metadata_service.domain.drafts import NewMetadatum
from metadata_service.domain.keys import RunPath, TaskPath
from metadata_service.domain.records import Metadatum
from metadata_service.domain.refusals import NotFound
from metadata_service.domain.selection import Listing, Order, Selection
from metadata_service.storage.postgres.ancestors import NOW_MS, find_ancestors, path_parameters, shown, task_of_run
from metadata_service.storage.postgres.conditions import Conditions, Row, listing, paged
from metadata_service.storage.postgres.connections import Connections
from metadata_service.storage.postgres.values import as_json

_COLUMNS = (
    "m.ts_epoch, m.id, m.step_name, m.task_id, m.task_name,"
    " m.field_name, m.value, m.type, m.user_name, m.tags, m.system_tags"
)


class PostgresMetadata:
    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def record(self, path: TaskPath, drafts: Sequence[NewMetadatum]) -> int:
        # One statement for all rows: a single round trip, and stored whole or not at all.
        query = f"""
            WITH t AS (
                SELECT t.flow_id, t.run_number, r.run_id, t.step_name, t.task_id, t.task_name {task_of_run(path)}
            ),
            stored AS (
                INSERT INTO metadata_v3
                    (flow_id, run_number, run_id, step_name, task_id, task_name, ts_epoch,
                     field_name, value, type, user_name, tags, system_tags)
                SELECT t.*, {NOW_MS}, m.field_name, m.value, m.type, m.user_name,
                    m.tags::jsonb, m.system_tags::jsonb
                FROM t CROSS JOIN unnest(
                    %(fields)s::text[], %(values)s::text[], %(types)s::text[], %(users)s::text[],
                    %(tags)s::text[], %(system_tags)s::text[]
                ) WITH ORDINALITY AS m (field_name, value, type, user_name, tags, system_tags, place)
                ORDER BY m.place
                RETURNING 1
            )
            SELECT EXISTS (SELECT FROM t), (SELECT count(*) FROM stored)
        """
        parameters = {
            **path_parameters(path),
            "fields": [draft.field_name for draft in drafts],
            "values": [draft.text() for draft in drafts],
            "types": [draft.type for draft in drafts],
            "users": [draft.user_name for draft in drafts],
            "tags": [as_json(draft.tags) for draft in drafts],
            "system_tags": [as_json(draft.system_tags) for draft in drafts],
        }
        async with self._connections.connection() as connection:
            row = await (await connection.execute(query, parameters)).fetchone()
        assert row is not None
        task_exists, stored = row
        if not task_exists:
            raise NotFound(f"Task {path.task!r} of run {path.run!r} does not exist. Record it first.")
        return int(stored)

    async def list(self, scope: RunPath | TaskPath, selection: Selection) -> Listing[Metadatum]:
        async with self._connections.connection() as connection:
            run = await find_ancestors(connection, scope)
            if run is None:
                return Listing([])
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
                SELECT {_COLUMNS} FROM found AS m WHERE {outer.sql()} {tail}
            """
            rows = await (await connection.execute(query, outer.parameters)).fetchall()

        def metadatum(row: Row) -> Metadatum:
            ts_epoch, number, step_name, task_id, task_name, field_name, value, kind, user_name, *tags = row
            task = shown(task_id, task_name)
            return Metadatum(
                number, run.flow_id, run.shown_run, step_name, task, field_name, value, kind, user_name, ts_epoch, *tags
            )

        return listing(rows, selection.page, Order.METADATA, metadatum)
