"""Runs in SQLite."""

from __future__ import annotations

import sqlite3

from metadata_service.domain.drafts import NewRun, TagChange
from metadata_service.domain.garbage import Removed
from metadata_service.domain.heartbeats import WAIT_SECONDS, client_sends_heartbeats
from metadata_service.domain.keys import Key, RunPath
from metadata_service.domain.records import Run
from metadata_service.domain.refusals import AlreadyThere, NotFound
from metadata_service.domain.selection import STATUSES, Listing, Order, Selection, Take
from metadata_service.domain.tags import changed_tags
from metadata_service.storage.lineage import shown, tag_list
from metadata_service.storage.rows import ORIGIN, RECENT_MOST, RECENT_MS, as_json, no_run
from metadata_service.storage.selecting import Row, paged
from metadata_service.storage.sqlite.ancestors import (
    find_ancestors,
    next_number,
    now_ms,
    now_s,
    path_parameters,
    raw,
    run_is,
)
from metadata_service.storage.sqlite.conditions import Conditions
from metadata_service.storage.sqlite.connections import Connections
from metadata_service.storage.sqlite.garbage import remove_run
from metadata_service.storage.sqlite.lists import Ask, Question, give_list, read_list
from metadata_service.storage.sqlite.statuses import STATUS

_COLUMNS = "r.flow_id, r.run_number, r.run_id, r.user_name, r.ts_epoch, r.last_heartbeat_ts, r.tags, r.system_tags"

# A run's user counts only when its client proved to be a person, which it says by this tag.
_USER = """(CASE WHEN EXISTS (
    SELECT 1 FROM json_each(r.system_tags) AS tag WHERE tag.value = 'user:' || r.user_name
) THEN r.user_name END)"""

_FIELDS = {
    "flow_id": "r.flow_id",
    "run_number": "r.run_number",
    "run_id": "r.run_id",
    "user_name": "r.user_name",
    "ts_epoch": "r.ts_epoch",
    "last_heartbeat_ts": "r.last_heartbeat_ts",
    "user": _USER,
    "status": STATUS,
}

HEARTBEAT_DUE = f"(last_heartbeat_ts IS NULL OR last_heartbeat_ts <= :now - {WAIT_SECONDS // 2})"
"""Clients beat every WAIT_SECONDS; writing at most twice as often spares the disk."""


class SqliteRuns:
    def __init__(self, connections: Connections, cutoff_seconds: int) -> None:
        self._connections = connections
        self._cutoff_seconds = cutoff_seconds

    async def create(self, flow_id: str, draft: NewRun) -> Run:
        alive = client_sends_heartbeats(draft.system_tags)
        tags, system_tags = as_json(draft.tags), as_json(draft.system_tags)

        def work(connection: sqlite3.Connection) -> Run:
            if connection.execute("SELECT 1 FROM flows_v3 WHERE flow_id = ?", [flow_id]).fetchone() is None:
                raise NotFound(f"Flow {flow_id!r} does not exist. Record it first.")
            number = next_number(connection, "run")
            heartbeat = now_s() if alive else None
            row = (flow_id, number, draft.run_id, draft.user_name, now_ms(), heartbeat, tags, system_tags)
            statement = f"INSERT INTO runs_v3 ({_COLUMNS.replace('r.', '')}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
            if connection.execute(statement + " ON CONFLICT DO NOTHING", row).rowcount == 0:
                raise AlreadyThere(f"Run {draft.run_id!r} of flow {flow_id!r} is recorded already.")
            return _run(row)

        return await self._connections.write(work)

    async def get(self, path: RunPath) -> Run:
        query = f"SELECT {_COLUMNS} FROM runs_v3 AS r WHERE r.flow_id = :flow AND {run_is(path.run)}"
        parameters = path_parameters(path)
        row = await self._connections.read(lambda connection: connection.execute(query, parameters).fetchone())
        if row is None:
            raise no_run(path)
        return _run(row)

    async def list(self, flow_id: str, selection: Selection) -> Listing[Run]:
        return await read_list(self._connections, self._of_flow(flow_id, selection), selection.page, Order.RUNS)

    async def give(self, flow_id: str, selection: Selection, take: Take[Run]) -> None:
        await give_list(self._connections, self._of_flow(flow_id, selection), take)

    async def count_recent(self) -> dict[str, int]:
        """Runs of the last day by status; of more than a thousand the newest."""
        query = f"""
            SELECT {STATUS} AS status, count(*) FROM (
                SELECT * FROM runs_v3 WHERE ts_epoch > :now * 1000 - {RECENT_MS}
                ORDER BY ts_epoch DESC LIMIT {RECENT_MOST}
            ) AS r GROUP BY 1
        """
        parameters = {"now": now_s(), "cutoff": self._cutoff_seconds}
        rows = await self._connections.read(lambda connection: connection.execute(query, parameters).fetchall())
        return dict.fromkeys(STATUSES, 0) | dict(rows)

    async def beat(self, path: RunPath) -> None:
        this = f"flow_id = :flow AND {run_is(path.run, 'runs_v3')}"

        def work(connection: sqlite3.Connection) -> None:
            parameters = {**path_parameters(path), "now": now_s()}
            update = f"UPDATE runs_v3 SET last_heartbeat_ts = :now WHERE {this} AND {HEARTBEAT_DUE}"
            if connection.execute(update, parameters).rowcount == 0:
                found = connection.execute(f"SELECT 1 FROM runs_v3 WHERE {this}", parameters).fetchone()
                if found is None:
                    raise no_run(path)

        await self._connections.write(work)

    async def change_tags(self, path: RunPath, change: TagChange) -> tuple[str, ...]:
        this = f"flow_id = :flow AND {run_is(path.run, 'runs_v3')}"

        def work(connection: sqlite3.Connection) -> tuple[str, ...]:
            parameters = path_parameters(path)
            row = connection.execute(f"SELECT tags, system_tags FROM runs_v3 WHERE {this}", parameters).fetchone()
            if row is None:
                raise no_run(path)
            tags, system_tags = tag_list(raw(row[0])), tag_list(raw(row[1]))
            changed = changed_tags(tags, system_tags, change)
            if changed != tags:
                update = f"UPDATE runs_v3 SET tags = :tags WHERE {this}"
                connection.execute(update, {**parameters, "tags": as_json(changed)})
            return changed

        return await self._connections.write(work)

    async def origins(self, flow_id: str) -> tuple[tuple[Key, str], ...]:
        query = "SELECT DISTINCT run_number, run_id, value FROM metadata_v3 WHERE flow_id = ? AND field_name = ?"
        rows = await self._connections.read(lambda connection: connection.execute(query, [flow_id, ORIGIN]).fetchall())
        return tuple((shown(number, name), origin) for number, name, origin in rows)

    async def delete(self, path: RunPath) -> Removed:
        def work(connection: sqlite3.Connection) -> Removed:
            run = find_ancestors(connection, path)
            if run is None:
                raise no_run(path)
            return remove_run(connection, run)

        return await self._connections.write(work)

    def _of_flow(self, flow_id: str, selection: Selection) -> Ask[Run]:
        def ask(_: sqlite3.Connection) -> Question[Run]:
            conditions = Conditions({"flow": flow_id, "cutoff": self._cutoff_seconds, "now": now_s()})
            conditions.add("r.flow_id = :flow")
            conditions.add_selection(selection, _FIELDS, "r.tags, r.system_tags")
            tail = paged(conditions, selection.page, Order.RUNS, "r")
            query = f"SELECT r.ts_epoch, r.run_number, {_COLUMNS} FROM runs_v3 AS r WHERE {conditions.sql()} {tail}"
            return query, conditions.parameters, lambda row: _run(row[2:])

        return ask


def _run(row: Row) -> Run:
    flow_id, number, name, user_name, ts_epoch, heartbeat, tags, system_tags = row
    return Run(flow_id, shown(number, name), user_name, ts_epoch, heartbeat, raw(tags), raw(system_tags))
