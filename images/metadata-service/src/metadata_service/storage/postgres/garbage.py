"""Removing runs on PostgreSQL, and what they leave in the datastore."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from metadata_service.domain.garbage import Blob, Collected, Remove, Removed, RunFiles
from metadata_service.domain.keys import Key
from metadata_service.storage.garbage_rows import BLOB, RUN
from metadata_service.storage.lineage import Ancestors
from metadata_service.storage.postgres.ancestors import NOW_MS
from metadata_service.storage.postgres.connections import Connection, Connections
from metadata_service.storage.postgres.own_tables import make_tables
from metadata_service.storage.postgres.statuses import STATUS
from metadata_service.storage.selecting import Parameters

_STORED = "a.location LIKE ':root:%%' AND a.sha ~ '^[0-9a-f]{40}$'"
_OF_RUN = "flow_id = %(flow)s AND run_number = %(run)s"

# What the children refer to goes after them.
_TABLES = {
    "artifacts": "artifact_v3",
    "metadata": "metadata_v3",
    "tasks": "tasks_v3",
    "steps": "steps_v3",
    "runs": "runs_v3",
}

_REFERRED_TO = "SELECT a.sha FROM artifact_v3 AS a WHERE a.flow_id = %(flow)s AND a.sha IS NOT NULL"


async def remove_run(connection: Connection, run: Ancestors) -> Removed:
    """Remove the rows of a run, and remember what they refer to.

    The connection must be in a transaction that holds the run's own row.
    """
    parameters: Parameters = {"flow": run.flow_id, "run": run.run_number, "name": str(run.shown_run)}
    # Whoever is adding to a step or a task ends first, and all of it is seen below. Who comes later finds nothing.
    for table in ("steps_v3", "tasks_v3"):
        await connection.execute(f"SELECT FROM {table} WHERE {_OF_RUN} FOR UPDATE", parameters)
    artifacts = f"FROM artifact_v3 AS a WHERE a.flow_id = %(flow)s AND a.run_number = %(run)s AND {_STORED}"
    for kind, name in ((BLOB, "a.sha"), (RUN, "%(name)s::text")):
        await connection.execute(
            "INSERT INTO tributary.garbage (flow_id, kind, root, name)"
            f" SELECT DISTINCT a.flow_id, '{kind}', substr(a.location, 7), {name} {artifacts} ON CONFLICT DO NOTHING",
            parameters,
        )
    counts = {}
    for what, table in _TABLES.items():
        counts[what] = (await connection.execute(f"DELETE FROM {table} WHERE {_OF_RUN}", parameters)).rowcount
    return Removed(**counts)


class PostgresGarbage:
    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def flows(self) -> list[str]:
        async with self._connections.connection() as connection:
            await make_tables(connection)
            query = "SELECT DISTINCT flow_id FROM tributary.garbage ORDER BY flow_id"
            return [flow for (flow,) in await (await connection.execute(query)).fetchall()]

    async def collect(self, flow_id: str, root: str, quiet_ms: int, most: int, remove: Remove) -> Collected:
        parameters: Parameters = {"flow": flow_id, "root": root, "quiet": quiet_ms, "cutoff": 0, "most": most}
        async with self._connections.connection() as connection, connection.transaction():
            await _hold_flow(connection, flow_id)
            busy = await (
                await connection.execute(
                    f"""
                    SELECT EXISTS (
                        SELECT FROM runs_v3 AS r {STATUS} WHERE r.flow_id = %(flow)s AND s.status <> 'completed'
                            AND greatest(r.ts_epoch, r.last_heartbeat_ts * 1000) > {NOW_MS} - %(quiet)s
                    )
                    """,
                    parameters,
                )
            ).fetchone()
            if busy is None or busy[0]:
                return Collected(busy=True)
            query = f"""
                SELECT g.root, g.name, g.name IN ({_REFERRED_TO}) FROM tributary.garbage AS g
                WHERE g.flow_id = %(flow)s AND g.kind = '{BLOB}' AND g.root = %(root)s ORDER BY g.name LIMIT %(most)s
            """
            rows = await (await connection.execute(query, parameters)).fetchall()
            freed = tuple(Blob(root, sha) for root, sha, referred_to in rows if not referred_to)
            saved = tuple(Blob(root, sha) for root, sha, referred_to in rows if referred_to)
            # The files go first. Interrupted between the two, they are asked to go again.
            await asyncio.to_thread(remove, freed)
            await connection.execute(
                f"""
                DELETE FROM tributary.garbage WHERE flow_id = %(flow)s AND kind = '{BLOB}'
                    AND (root, name) IN (SELECT * FROM unnest(%(roots)s::text[], %(names)s::text[]))
                """,
                {"flow": flow_id, "roots": [row[0] for row in rows], "names": [row[1] for row in rows]},
            )
        return Collected(freed, saved)

    async def promise(self, flow_id: str, runs: Sequence[Key]) -> list[Blob]:
        query = f"""
            WITH gone AS (
                SELECT r.run_number FROM runs_v3 AS r
                WHERE r.flow_id = %(flow)s AND coalesce(r.run_id, r.run_number::text) = ANY(%(runs)s)
            ),
            left_over AS (
                SELECT g.root, g.name FROM tributary.garbage AS g WHERE g.flow_id = %(flow)s AND g.kind = '{BLOB}'
                UNION SELECT substr(a.location, 7), a.sha FROM artifact_v3 AS a JOIN gone USING (run_number)
                WHERE a.flow_id = %(flow)s AND {_STORED}
            )
            SELECT root, name FROM left_over
            WHERE name NOT IN ({_REFERRED_TO} AND a.run_number NOT IN (SELECT run_number FROM gone))
        """
        async with self._connections.connection() as connection:
            await make_tables(connection)
            parameters = {"flow": flow_id, "runs": [str(run) for run in runs]}
            return [Blob(*row) for row in await (await connection.execute(query, parameters)).fetchall()]

    async def run_files(self, flow_id: str) -> list[RunFiles]:
        query = f"""
            SELECT g.root, g.name FROM tributary.garbage AS g WHERE g.flow_id = %s AND g.kind = '{RUN}' AND NOT EXISTS (
                SELECT FROM runs_v3 AS r
                WHERE r.flow_id = g.flow_id AND coalesce(r.run_id, r.run_number::text) = g.name
            )
        """
        async with self._connections.connection() as connection:
            return [RunFiles(*row) for row in await (await connection.execute(query, [flow_id])).fetchall()]

    async def forget_run(self, flow_id: str, files: RunFiles) -> None:
        delete = f"DELETE FROM tributary.garbage WHERE flow_id = %s AND kind = '{RUN}' AND root = %s AND name = %s"
        async with self._connections.connection() as connection:
            await connection.execute(delete, [flow_id, files.root, files.run])


async def _hold_flow(connection: Connection, flow_id: str) -> None:
    """Keep runs of the flow from beginning until the transaction ends: a new run refers to the row of its flow."""
    flow = await connection.execute("SELECT FROM flows_v3 WHERE flow_id = %s FOR UPDATE", [flow_id])
    if flow.rowcount == 0:
        # There is no row to hold, so no flow may be made.
        await connection.execute("LOCK TABLE flows_v3 IN SHARE MODE")
