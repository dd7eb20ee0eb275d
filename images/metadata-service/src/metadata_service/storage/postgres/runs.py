"""Runs on PostgreSQL."""

from __future__ import annotations

from typing import Any

from metadata_service.domain.drafts import NewRun, TagChange
from metadata_service.domain.garbage import Removed
from metadata_service.domain.heartbeats import WAIT_SECONDS, client_sends_heartbeats
from metadata_service.domain.keys import Key, RunPath
from metadata_service.domain.records import Run
from metadata_service.domain.refusals import AlreadyThere, NotFound
from metadata_service.domain.selection import STATUSES, Listing, Order, Selection, Take
from metadata_service.domain.tags import changed_tags
from metadata_service.storage.lineage import Ancestors, shown, tag_list
from metadata_service.storage.postgres.ancestors import NOW_MS, NOW_S, path_parameters, run_is
from metadata_service.storage.postgres.conditions import Conditions
from metadata_service.storage.postgres.connections import Connection, Connections, Reading
from metadata_service.storage.postgres.garbage import remove_run
from metadata_service.storage.postgres.lists import Ask, Question, give_list, read_list
from metadata_service.storage.postgres.own_tables import make_tables
from metadata_service.storage.postgres.statuses import STATUS
from metadata_service.storage.rows import ORIGIN, RECENT_MOST, RECENT_MS, as_json, no_run
from metadata_service.storage.selecting import paged

_COLUMNS = "r.flow_id, r.run_number, r.run_id, r.user_name, r.ts_epoch, r.last_heartbeat_ts, r.tags, r.system_tags"

# A run's user counts only when its client proved to be a person, which it says by this tag.
_USER = "(CASE WHEN r.system_tags ? ('user:' || r.user_name) THEN r.user_name ELSE NULL END)"

_FIELDS = {
    "flow_id": "r.flow_id",
    "run_number": "r.run_number",
    "run_id": "r.run_id",
    "user_name": "r.user_name",
    "ts_epoch": "r.ts_epoch",
    "last_heartbeat_ts": "r.last_heartbeat_ts",
    "user": _USER,
    "status": "s.status",
}

# Clients beat every WAIT_SECONDS. Writing at most twice as often keeps the many tasks of a run, each of which is a sign
# of life of the run too, from queueing for its row.
HEARTBEAT_DUE = f"(r.last_heartbeat_ts IS NULL OR r.last_heartbeat_ts <= {NOW_S} - {WAIT_SECONDS // 2})"


class PostgresRuns:
    def __init__(self, connections: Connections, reading: Reading, cutoff_seconds: int) -> None:
        self._connections = connections
        self._reading = reading
        self._cutoff_seconds = cutoff_seconds

    async def create(self, flow_id: str, draft: NewRun) -> Run:
        query = f"""
            WITH made AS (
                INSERT INTO runs_v3 AS r
                    (flow_id, run_id, user_name, ts_epoch, last_heartbeat_ts, tags, system_tags)
                SELECT f.flow_id, %(run_id)s, %(user)s, {NOW_MS}, CASE WHEN %(alive)s THEN {NOW_S} END,
                    %(tags)s::jsonb, %(system_tags)s::jsonb
                FROM flows_v3 AS f WHERE f.flow_id = %(flow)s
                ON CONFLICT DO NOTHING
                RETURNING {_COLUMNS}
            )
            SELECT EXISTS (SELECT FROM flows_v3 WHERE flow_id = %(flow)s), made.*
            FROM (VALUES (1)) AS one LEFT JOIN made ON true
        """
        parameters = {
            "flow": flow_id,
            "run_id": draft.run_id,
            "user": draft.user_name,
            "alive": client_sends_heartbeats(draft.system_tags),
            "tags": as_json(draft.tags),
            "system_tags": as_json(draft.system_tags),
        }
        async with self._connections.connection() as connection:
            row = await (await connection.execute(query, parameters)).fetchone()
        assert row is not None
        flow_exists, *columns = row
        if columns[0] is not None:
            return _run(*columns)
        if flow_exists:
            raise AlreadyThere(f"Run {draft.run_id!r} of flow {flow_id!r} is recorded already.")
        raise NotFound(f"Flow {flow_id!r} does not exist. Record it first.")

    async def get(self, path: RunPath) -> Run:
        query = f"SELECT {_COLUMNS} FROM runs_v3 AS r WHERE r.flow_id = %(flow)s AND {run_is(path.run)}"
        async with self._connections.connection() as connection:
            row = await (await connection.execute(query, path_parameters(path))).fetchone()
        if row is None:
            raise no_run(path)
        return _run(*row)

    async def list(self, flow_id: str, selection: Selection) -> Listing[Run]:
        return await read_list(self._reading, self._of_flow(flow_id, selection), selection.page, Order.RUNS)

    async def give(self, flow_id: str, selection: Selection, take: Take[Run]) -> None:
        await give_list(self._reading, self._of_flow(flow_id, selection), take)

    async def count_recent(self) -> dict[str, int]:
        """Runs of the last day by status; of more than a thousand the newest."""
        query = f"""
            SELECT s.status, count(*) FROM (
                SELECT * FROM runs_v3 WHERE ts_epoch > {NOW_MS} - {RECENT_MS} ORDER BY ts_epoch DESC LIMIT {RECENT_MOST}
            ) AS r {STATUS} GROUP BY s.status
        """
        async with self._connections.connection() as connection:
            rows = await (await connection.execute(query, {"cutoff": self._cutoff_seconds})).fetchall()
        return dict.fromkeys(STATUSES, 0) | dict(rows)

    async def beat(self, path: RunPath) -> None:
        this = f"r.flow_id = %(flow)s AND {run_is(path.run)}"
        query = f"""
            WITH beaten AS (
                UPDATE runs_v3 AS r SET last_heartbeat_ts = {NOW_S} WHERE {this} AND {HEARTBEAT_DUE}
            )
            SELECT FROM runs_v3 AS r WHERE {this}
        """
        async with self._connections.connection() as connection:
            found = await connection.execute(query, path_parameters(path))
        if found.rowcount == 0:
            raise no_run(path)

    async def change_tags(self, path: RunPath, change: TagChange) -> tuple[str, ...]:
        # The row's lock makes changes of the same run wait for each other. Unlike with SERIALIZABLE, none is sent away
        # because of another, or because of a heartbeat.
        this = f"r.flow_id = %(flow)s AND {run_is(path.run)}"
        lock = f"SELECT r.tags, r.system_tags FROM runs_v3 AS r WHERE {this} FOR NO KEY UPDATE"
        parameters = path_parameters(path)
        async with self._connections.connection() as connection, connection.transaction():
            row = await (await connection.execute(lock, parameters)).fetchone()
            if row is None:
                raise no_run(path)
            tags, system_tags = tag_list(row[0]), tag_list(row[1])
            changed = changed_tags(tags, system_tags, change)
            if changed != tags:
                update = f"UPDATE runs_v3 AS r SET tags = %(tags)s::jsonb WHERE {this}"
                await connection.execute(update, {**parameters, "tags": as_json(changed)})
        return changed

    async def origins(self, flow_id: str) -> tuple[tuple[Key, str], ...]:
        query = (
            "SELECT DISTINCT m.run_number, m.run_id, m.value FROM metadata_v3 AS m"
            " WHERE m.flow_id = %s AND m.field_name = %s"
        )
        async with self._connections.connection() as connection:
            rows = await (await connection.execute(query, [flow_id, ORIGIN])).fetchall()
        return tuple((shown(number, name), origin) for number, name, origin in rows)

    async def delete(self, path: RunPath) -> Removed:
        this = f"r.flow_id = %(flow)s AND {run_is(path.run)}"
        # Who writes steps, or hangs rows on a task of it, waits for the lock and then finds it gone.
        lock = f"SELECT r.flow_id, r.run_number, r.run_id, NULL, NULL FROM runs_v3 AS r WHERE {this} FOR UPDATE"
        async with self._connections.connection() as connection:
            await make_tables(connection)
            async with connection.transaction():
                row = await (await connection.execute(lock, path_parameters(path))).fetchone()
                if row is None:
                    raise no_run(path)
                return await remove_run(connection, Ancestors(*row))

    def _of_flow(self, flow_id: str, selection: Selection) -> Ask[Run]:
        async def ask(_: Connection) -> Question[Run]:
            conditions = Conditions({"flow": flow_id, "cutoff": self._cutoff_seconds})
            conditions.add("r.flow_id = %(flow)s")
            conditions.add_selection(selection, _FIELDS, "r.tags || r.system_tags")
            tail = paged(conditions, selection.page, Order.RUNS, "r")
            status = STATUS if any(field.field == "status" for field in selection.fields) else ""
            selected = f"r.ts_epoch, r.run_number, {_COLUMNS}"
            query = f"SELECT {selected} FROM runs_v3 AS r {status} WHERE {conditions.sql()} {tail}"
            return query, conditions.parameters, lambda row: _run(*row[2:])

        return ask


def _run(flow_id: str, run_number: int, run_id: str | None, *rest: Any) -> Run:
    return Run(flow_id, shown(run_number, run_id), *rest)
