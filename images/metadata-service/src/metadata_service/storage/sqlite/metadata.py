"""Metadata in SQLite. As in PostgreSQL it is a log: a request that is sent again adds equal rows."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from metadata_service.domain.drafts import NewMetadatum
from metadata_service.domain.keys import RunPath, TaskPath
from metadata_service.domain.records import Metadatum
from metadata_service.domain.selection import Listing, Order, Selection, Take
from metadata_service.storage.lineage import Ancestors, shown
from metadata_service.storage.rows import METADATA_COLUMNS, as_json
from metadata_service.storage.selecting import Row, paged
from metadata_service.storage.sqlite.ancestors import find_ancestors, need_ancestors, now_ms, raw
from metadata_service.storage.sqlite.conditions import Conditions
from metadata_service.storage.sqlite.connections import Connections
from metadata_service.storage.sqlite.lists import Ask, Question, give_list, read_list

_INSERT = (
    "INSERT INTO metadata_v3 (flow_id, run_number, run_id, step_name, task_id, task_name, ts_epoch, field_name, value,"
    " type, user_name, tags, system_tags) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)


class SqliteMetadata:
    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def record(self, path: TaskPath, drafts: Sequence[NewMetadatum]) -> int:
        rows = [
            (
                draft.field_name,
                draft.text(),
                draft.type,
                draft.user_name,
                as_json(draft.tags),
                as_json(draft.system_tags),
            )
            for draft in drafts
        ]

        def work(connection: sqlite3.Connection) -> int:
            task = need_ancestors(connection, path)
            head = (task.flow_id, task.run_number, task.run_id, path.step_name, task.task_id, task.task_name, now_ms())
            connection.executemany(_INSERT, [head + row for row in rows])
            return len(rows)

        return await self._connections.write(work)

    async def list(self, scope: RunPath | TaskPath, selection: Selection) -> Listing[Metadatum]:
        return await read_list(self._connections, _below(scope, selection), selection.page, Order.METADATA)

    async def give(self, scope: RunPath, selection: Selection, take: Take[Metadatum]) -> None:
        await give_list(self._connections, _below(scope, selection), take)


def _below(scope: RunPath | TaskPath, selection: Selection) -> Ask[Metadatum]:
    def ask(connection: sqlite3.Connection) -> Question[Metadatum] | None:
        run = find_ancestors(connection, scope)
        if run is None:
            return None
        conditions = Conditions({"flow": run.flow_id, "run": run.run_number})
        conditions.add("m.flow_id = :flow AND m.run_number = :run")
        if isinstance(scope, TaskPath):
            conditions.add(f"m.step_name = {conditions.bind(scope.step_name)}")
            conditions.add(f"m.task_id = {conditions.bind(run.task_id)}")
        conditions.add_selection(selection, {}, "m.tags, m.system_tags")
        tail = paged(conditions, selection.page, Order.METADATA, "m")
        query = f"SELECT {METADATA_COLUMNS} FROM metadata_v3 AS m WHERE {conditions.sql()} {tail}"
        return query, conditions.parameters, lambda row: _metadatum(run, row)

    return ask


def _metadatum(run: Ancestors, row: Row) -> Metadatum:
    ts_epoch, number, step_name, task_id, task_name, field_name, value, kind, user_name, tags, system_tags = row
    return Metadatum(
        id=number,
        flow_id=run.flow_id,
        run_number=run.shown_run,
        step_name=step_name,
        task_id=shown(task_id, task_name),
        field_name=field_name,
        value=value,
        type=kind,
        user_name=user_name,
        ts_epoch=ts_epoch,
        tags=raw(tags),
        system_tags=raw(system_tags),
    )
