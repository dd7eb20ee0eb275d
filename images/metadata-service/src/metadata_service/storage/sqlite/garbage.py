"""Removing runs in SQLite, and what they leave in the datastore."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from metadata_service.domain.garbage import Blob, Collected, Remove, Removed, RunFiles, blob_of
from metadata_service.domain.keys import Key
from metadata_service.storage.garbage_rows import BLOB, RUN
from metadata_service.storage.lineage import Ancestors
from metadata_service.storage.sqlite.ancestors import now_ms
from metadata_service.storage.sqlite.connections import Connections
from metadata_service.storage.sqlite.statuses import STATUS

_TABLES = {
    "artifacts": "artifact_v3",
    "metadata": "metadata_v3",
    "tasks": "tasks_v3",
    "steps": "steps_v3",
    "runs": "runs_v3",
}

_SHOWN = "coalesce(r.run_id, CAST(r.run_number AS TEXT))"


def remove_run(connection: sqlite3.Connection, run: Ancestors) -> Removed:
    """Remove the rows of a run, and remember what they refer to."""
    this = (run.flow_id, run.run_number)
    query = "SELECT DISTINCT location, sha FROM artifact_v3 WHERE flow_id = ? AND run_number = ?"
    blobs = {blob for row in connection.execute(query, this) if (blob := blob_of(*row)) is not None}
    left = [(run.flow_id, BLOB, blob.root, blob.sha) for blob in blobs]
    left += [(run.flow_id, RUN, root, str(run.shown_run)) for root in {blob.root for blob in blobs}]
    insert = "INSERT INTO garbage (flow_id, kind, root, name) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"
    connection.executemany(insert, left)
    counts = {
        what: connection.execute(f"DELETE FROM {table} WHERE flow_id = ? AND run_number = ?", this).rowcount
        for what, table in _TABLES.items()
    }
    return Removed(**counts)


class SqliteGarbage:
    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def flows(self) -> list[str]:
        query = "SELECT DISTINCT flow_id FROM garbage ORDER BY flow_id"
        return [flow for (flow,) in await self._connections.read(lambda opened: opened.execute(query).fetchall())]

    async def collect(self, flow_id: str, root: str, quiet_ms: int, most: int, remove: Remove) -> Collected:
        # All of it in the one transaction that writes: nobody else does meanwhile.
        def work(connection: sqlite3.Connection) -> Collected:
            busy = (
                f"SELECT 1 FROM runs_v3 AS r WHERE r.flow_id = :flow AND {STATUS} <> 'completed'"
                " AND max(r.ts_epoch, coalesce(r.last_heartbeat_ts * 1000, 0)) > :now_ms - :quiet LIMIT 1"
            )
            now = now_ms()
            parameters = {"flow": flow_id, "now_ms": now, "now": now // 1000, "cutoff": 0, "quiet": quiet_ms}
            if connection.execute(busy, parameters).fetchone() is not None:
                return Collected(busy=True)
            batch = "SELECT root, name FROM garbage WHERE flow_id = ? AND kind = ? AND root = ? ORDER BY name LIMIT ?"
            blobs = [Blob(*row) for row in connection.execute(batch, [flow_id, BLOB, root, most])]
            referred_to = _referred_to(connection, flow_id) if blobs else set()
            freed = tuple(blob for blob in blobs if blob.sha not in referred_to)
            # The files go first. Interrupted between the two, they are asked to go again.
            remove(freed)
            connection.executemany(
                "DELETE FROM garbage WHERE flow_id = ? AND kind = ? AND root = ? AND name = ?",
                [(flow_id, BLOB, blob.root, blob.sha) for blob in blobs],
            )
            return Collected(freed, tuple(blob for blob in blobs if blob.sha in referred_to))

        return await self._connections.write(work)

    async def promise(self, flow_id: str, runs: Sequence[Key]) -> list[Blob]:
        wanted = {str(run) for run in runs}

        def work(connection: sqlite3.Connection) -> list[Blob]:
            query = f"SELECT r.run_number, {_SHOWN} FROM runs_v3 AS r WHERE r.flow_id = ?"
            gone = {number for number, shown in connection.execute(query, [flow_id]) if shown in wanted}
            left = {Blob(*row) for row in _garbage(connection, flow_id, BLOB)}
            kept: set[str | None] = set()
            query = "SELECT DISTINCT run_number, location, sha FROM artifact_v3 WHERE flow_id = ?"
            for number, location, sha in connection.execute(query, [flow_id]):
                if number not in gone:
                    kept.add(sha)
                elif (blob := blob_of(location, sha)) is not None:
                    left.add(blob)
            return [blob for blob in left if blob.sha not in kept]

        return await self._connections.read(work)

    async def run_files(self, flow_id: str) -> list[RunFiles]:
        def work(connection: sqlite3.Connection) -> list[RunFiles]:
            present = connection.execute(f"SELECT {_SHOWN} FROM runs_v3 AS r WHERE r.flow_id = ?", [flow_id])
            names = {name for (name,) in present}
            return [RunFiles(*row) for row in _garbage(connection, flow_id, RUN) if row[1] not in names]

        return await self._connections.read(work)

    async def forget_run(self, flow_id: str, files: RunFiles) -> None:
        delete = "DELETE FROM garbage WHERE flow_id = ? AND kind = ? AND root = ? AND name = ?"

        def work(connection: sqlite3.Connection) -> None:
            connection.execute(delete, [flow_id, RUN, files.root, files.run])

        await self._connections.write(work)


def _garbage(connection: sqlite3.Connection, flow_id: str, kind: str) -> list[tuple[str, str]]:
    return connection.execute(
        "SELECT root, name FROM garbage WHERE flow_id = ? AND kind = ?", [flow_id, kind]
    ).fetchall()


def _referred_to(connection: sqlite3.Connection, flow_id: str) -> set[str | None]:
    return {sha for (sha,) in connection.execute("SELECT DISTINCT sha FROM artifact_v3 WHERE flow_id = ?", [flow_id])}
