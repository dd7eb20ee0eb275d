"""Flows in SQLite."""

from __future__ import annotations

import sqlite3

from metadata_service.domain.drafts import NewFlow
from metadata_service.domain.records import Flow
from metadata_service.domain.refusals import AlreadyThere, NotFound, Protected
from metadata_service.domain.selection import Listing, Order, Selection
from metadata_service.storage.rows import as_json
from metadata_service.storage.selecting import Row, paged
from metadata_service.storage.sqlite.ancestors import now_ms, raw
from metadata_service.storage.sqlite.conditions import Conditions
from metadata_service.storage.sqlite.connections import Connections
from metadata_service.storage.sqlite.lists import read_list

_COLUMNS = "f.flow_id, f.user_name, f.ts_epoch, f.tags, f.system_tags"


class SqliteFlows:
    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def create(self, flow_id: str, draft: NewFlow) -> Flow:
        def work(connection: sqlite3.Connection) -> Flow:
            row = (flow_id, draft.user_name, now_ms(), as_json(draft.tags), as_json(draft.system_tags))
            statement = "INSERT INTO flows_v3 (flow_id, user_name, ts_epoch, tags, system_tags) VALUES (?, ?, ?, ?, ?)"
            if connection.execute(statement + " ON CONFLICT DO NOTHING", row).rowcount == 0:
                raise AlreadyThere(f"Flow {flow_id!r} is recorded already.")
            return _flow(row)

        return await self._connections.write(work)

    async def get(self, flow_id: str) -> Flow:
        query = f"SELECT {_COLUMNS} FROM flows_v3 AS f WHERE f.flow_id = ?"
        row = await self._connections.read(lambda connection: connection.execute(query, [flow_id]).fetchone())
        if row is None:
            raise NotFound(f"Flow {flow_id!r} does not exist.")
        return _flow(row)

    async def delete(self, flow_id: str) -> None:
        def work(connection: sqlite3.Connection) -> None:
            if connection.execute("SELECT 1 FROM runs_v3 WHERE flow_id = ? LIMIT 1", [flow_id]).fetchone() is not None:
                raise Protected(f"Flow {flow_id!r} has runs. Remove them first.")
            if connection.execute("DELETE FROM flows_v3 WHERE flow_id = ?", [flow_id]).rowcount == 0:
                raise NotFound(f"Flow {flow_id!r} does not exist.")

        await self._connections.write(work)

    async def list(self, selection: Selection) -> Listing[Flow]:
        conditions = Conditions({})
        conditions.add_selection(selection, {}, "f.tags, f.system_tags")
        tail = paged(conditions, selection.page, Order.FLOWS, "f")
        query = f"SELECT f.ts_epoch, f.flow_id, {_COLUMNS} FROM flows_v3 AS f WHERE {conditions.sql()} {tail}"
        return await read_list(
            self._connections,
            lambda _: (query, conditions.parameters, lambda row: _flow(row[2:])),
            selection.page,
            Order.FLOWS,
        )


def _flow(row: Row) -> Flow:
    flow_id, user_name, ts_epoch, tags, system_tags = row
    return Flow(flow_id, user_name, ts_epoch, raw(tags), raw(system_tags))
