"""The log of changes from a cursor on: exact after any gap, from any replica, on each database.

A cursor says what its reader has seen. On SQLite, where one writes at a time, that is the number of the last change. On
PostgreSQL transactions become visible in another order than that in which they took their numbers, so a number says
nothing: the cursor is the snapshot in which was read, and the next answer has what became visible since. So nobody who
commits late is missed, and nobody waits for those who have not committed yet.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import msgspec

from metadata_service.storage.selecting import Parameters, Row
from ui_backend.reading.ages import Ages
from ui_backend.reading.databases import Database
from ui_backend.reading.dialect import Postgres
from ui_backend.reading.keeping import KEPT_MS

MOST = 10_000
"""Changes in one answer. Who has missed more is better off with looking at everything anew."""

# A transaction may have noted its changes some time before it made them visible.
_LONGEST_TRANSACTION_MS = 600_000
_OLDEST_MS = KEPT_MS - _LONGEST_TRANSACTION_MS
_CLOCKS_MS = 5_000

_COLUMNS = "c.kind, c.op, c.flow_id, c.run_number, c.step_name, c.task_id"
_NUMBER = r"[0-9]{1,19}"
_SNAPSHOT = re.compile(rf"({_NUMBER}):({_NUMBER}):((?:{_NUMBER}(?:,{_NUMBER})*)?)")


class Change(msgspec.Struct, frozen=True):
    """That something happened to an object. What, tells who asks for the object."""

    kind: str
    """flow, run, step, task, metadata or artifact; the last two are named by their task."""
    op: str
    """INSERT, UPDATE or DELETE."""
    flow_id: str
    run_number: int | None = None
    step_name: str | None = None
    task_id: int | None = None


@dataclass(frozen=True)
class Batch:
    cursor: str
    changes: tuple[Change, ...] = ()
    reset: bool = False
    """Whether there is more than these: all must be looked at anew."""


class Changes(ABC):
    """All methods raise StorageAway."""

    def __init__(self, database: Database, ages: Ages) -> None:
        self._database = database
        self._ages = ages

    @abstractmethod
    async def after(self, cursor: str) -> Batch:
        """What became visible since. A cursor that is none, or too old, gives a reset."""

    @abstractmethod
    async def since(self, at_ms: int) -> Batch:
        """What was noted from then on, or a little before."""

    async def now(self) -> str:
        """The cursor of somebody who has seen everything."""
        return (await self.after("")).cursor

    async def silent(self, cursor: str) -> tuple[Change, ...]:
        """Runs that count as failed since the cursor only because they have been silent for too long."""
        dialect = self._database.dialect
        ages = self._ages.parameters()
        until = ages["now"]
        since = max(_at(cursor) or until, until - KEPT_MS) - _CLOCKS_MS
        query = f"""
            SELECT 'run', 'UPDATE', r.flow_id, r.run_number, NULL, NULL FROM runs_v3 AS r
                LEFT JOIN {dialect.run_ends} AS e ON e.flow_id = r.flow_id AND e.run_number = r.run_number
            WHERE e.mark IS NULL AND (
                (r.last_heartbeat_ts > (%(since)s - %(cutoff)s) / 1000
                    AND r.last_heartbeat_ts <= (%(until)s - %(cutoff)s) / 1000 + 1)
                OR (r.last_heartbeat_ts IS NULL
                    AND r.ts_epoch > %(since)s - %(old)s AND r.ts_epoch <= %(until)s - %(old)s)
            ) LIMIT {MOST}
        """
        parameters = {"since": since, "until": until, "cutoff": ages["cutoff"], "old": ages["old"]}
        return _changes(await self._database.rows(query, parameters))

    async def _read(self, query: str, parameters: Parameters, reset: bool) -> tuple[Batch, str, int]:
        """The batch, with the state and the time of which it is."""
        rows = await self._database.rows(query, parameters)
        (state, at), found = rows[0][:2], _changes(row[2:] for row in rows if row[2] is not None)
        reset = reset or len(found) > MOST
        return Batch(f"{at}-{state}", () if reset else found, reset), str(state), int(at)


def changes_of(database: Database, ages: Ages) -> Changes:
    """The changes of a database."""
    kind = PostgresChanges if isinstance(database.dialect, Postgres) else SqliteChanges
    return kind(database, ages)


class PostgresChanges(Changes):
    async def after(self, cursor: str) -> Batch:
        at, _, seen = cursor.partition("-")
        known = _snapshot_is_one(seen) and _at(cursor) is not None
        batch, state, now = await self._read(
            _of_postgres(
                "c.xid >= pg_snapshot_xmin(%(seen)s::text::pg_snapshot)"
                " AND NOT pg_visible_in_snapshot(c.xid, %(seen)s::text::pg_snapshot)"
                if known
                else "false"
            ),
            {"seen": seen} if known else {},
            reset=not known,
        )
        # Of another database, or of this one before it was restored.
        ahead = known and int(seen.split(":")[1]) > int(state.split(":")[1])
        old = known and now - int(at) > _OLDEST_MS
        return Batch(batch.cursor, (), True) if ahead or old else batch

    async def since(self, at_ms: int) -> Batch:
        batch, _, _ = await self._read(_of_postgres("c.at >= %(at)s"), {"at": at_ms - _CLOCKS_MS}, reset=False)
        return batch


def _of_postgres(condition: str) -> str:
    return f"""
        SELECT pg_current_snapshot()::text, (extract(epoch FROM clock_timestamp()) * 1000)::bigint, {_COLUMNS}
        FROM (VALUES (1)) AS one LEFT JOIN (
            SELECT * FROM tributary.changes AS c WHERE {condition} ORDER BY c.xid LIMIT {MOST + 1}
        ) AS c ON true
    """


class SqliteChanges(Changes):
    async def after(self, cursor: str) -> Batch:
        at, _, seen = cursor.partition("-")
        known = re.fullmatch(_NUMBER, seen) is not None and int(seen) < 2**63 and _at(cursor) is not None
        query, parameters = ("c.seq > %(seen)s", {"seen": int(seen)}) if known else ("false", {})
        batch, state, now = await self._read(_of_sqlite(query), parameters, reset=not known)
        if known and (int(seen) > int(state) or now - int(at) > _OLDEST_MS):
            return Batch(batch.cursor, (), True)
        return batch

    async def since(self, at_ms: int) -> Batch:
        batch, _, _ = await self._read(_of_sqlite("c.at >= %(at)s"), {"at": at_ms - _CLOCKS_MS}, reset=False)
        return batch


def _of_sqlite(condition: str) -> str:
    # Not the greatest number in the table: all that is in it may have been removed.
    last = "coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'changes'), 0)"
    return f"""
        SELECT {last}, CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER), {_COLUMNS}
        FROM (SELECT 1) AS one LEFT JOIN (
            SELECT * FROM changes AS c WHERE {condition} ORDER BY c.seq LIMIT {MOST + 1}
        ) AS c ON true
    """


def _changes(rows: Iterable[Row] | Sequence[Row]) -> tuple[Change, ...]:
    """Each once, in the order in which they last happened."""
    found: dict[Change, None] = {}
    for row in rows:
        change = Change(*row)
        found.pop(change, None)
        found[change] = None
    return tuple(found)


def _at(cursor: str) -> int | None:
    at = cursor.partition("-")[0]
    return int(at) if at.isascii() and at.isdigit() and len(at) < 16 else None


def _snapshot_is_one(text: str) -> bool:
    """Whether PostgreSQL would read it as a snapshot."""
    found = _SNAPSHOT.fullmatch(text)
    if found is None:
        return False
    low, high, between = int(found[1]), int(found[2]), [int(one) for one in found[3].split(",") if one]
    if not 3 <= low <= high < 2**63:
        return False
    return between == sorted(set(between)) and all(low <= one < high for one in between)
