"""Flows on PostgreSQL."""

from __future__ import annotations

from metadata_service.domain.drafts import NewFlow
from metadata_service.domain.records import Flow
from metadata_service.domain.refusals import AlreadyThere, NotFound, Protected
from metadata_service.domain.selection import Listing, Order, Selection
from metadata_service.storage.postgres.ancestors import NOW_MS
from metadata_service.storage.postgres.conditions import Conditions
from metadata_service.storage.postgres.connections import Connections, Reading
from metadata_service.storage.rows import as_json
from metadata_service.storage.selecting import listing, paged

_COLUMNS = "f.flow_id, f.user_name, f.ts_epoch, f.tags, f.system_tags"


class PostgresFlows:
    def __init__(self, connections: Connections, reading: Reading) -> None:
        self._connections = connections
        self._reading = reading

    async def create(self, flow_id: str, draft: NewFlow) -> Flow:
        query = (
            "INSERT INTO flows_v3 AS f (flow_id, user_name, ts_epoch, tags, system_tags)"
            f" VALUES (%(flow)s, %(user)s, {NOW_MS}, %(tags)s::jsonb, %(system_tags)s::jsonb)"
            f" ON CONFLICT DO NOTHING RETURNING {_COLUMNS}"
        )
        parameters = {
            "flow": flow_id,
            "user": draft.user_name,
            "tags": as_json(draft.tags),
            "system_tags": as_json(draft.system_tags),
        }
        async with self._connections.connection() as connection:
            row = await (await connection.execute(query, parameters)).fetchone()
        if row is None:
            raise AlreadyThere(f"Flow {flow_id!r} is recorded already.")
        return Flow(*row)

    async def get(self, flow_id: str) -> Flow:
        query = f"SELECT {_COLUMNS} FROM flows_v3 AS f WHERE f.flow_id = %(flow)s"
        async with self._connections.connection() as connection:
            row = await (await connection.execute(query, {"flow": flow_id})).fetchone()
        if row is None:
            raise NotFound(f"Flow {flow_id!r} does not exist.")
        return Flow(*row)

    async def delete(self, flow_id: str) -> None:
        delete = """
            DELETE FROM flows_v3 AS f WHERE f.flow_id = %(flow)s
                AND NOT EXISTS (SELECT FROM runs_v3 AS r WHERE r.flow_id = f.flow_id)
        """
        async with self._connections.connection() as connection:
            if (await connection.execute(delete, {"flow": flow_id})).rowcount == 1:
                return
        await self.get(flow_id)
        raise Protected(f"Flow {flow_id!r} has runs. Remove them first.")

    async def list(self, selection: Selection) -> Listing[Flow]:
        conditions = Conditions({})
        conditions.add_selection(selection, {}, "f.tags || f.system_tags")
        tail = paged(conditions, selection.page, Order.FLOWS, "f")
        query = f"SELECT f.ts_epoch, f.flow_id, {_COLUMNS} FROM flows_v3 AS f WHERE {conditions.sql()} {tail}"
        async with self._reading.connection() as connection:
            rows = await (await connection.execute(query, conditions.parameters)).fetchall()
        return listing(rows, selection.page, Order.FLOWS, lambda row: Flow(*row[2:]))
