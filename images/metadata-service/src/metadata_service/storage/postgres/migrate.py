"""Brings a database to today's schema, from nothing or from any version of upstream's.

Every replica does it at its start. One does the work while the others wait for its lock. The lock is tried again and
again rather than waited for: a session that waits inside a statement would hold back CREATE INDEX CONCURRENTLY, which
waits for every running statement, and the two would wait for each other.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import psycopg

from metadata_service.storage.postgres.migrations import Migration, all_migrations, created_index

log = logging.getLogger(__name__)

# Any number that nobody else uses on this database. These are the letters "metadata".
LOCK = int.from_bytes(b"metadata", "big")

_LOCK_RETRY_SECONDS = 0.5

# As goose makes it, so that goose finds its own table when upstream's image is started on this database.
_CREATE_VERSIONS = """
CREATE TABLE IF NOT EXISTS goose_db_version (
    id SERIAL NOT NULL,
    version_id BIGINT NOT NULL,
    is_applied BOOLEAN NOT NULL,
    tstamp TIMESTAMP NULL DEFAULT now(),
    PRIMARY KEY (id)
)
"""

# The last word on a version is its newest row: older releases of goose recorded an undone step by a further row.
_APPLIED = """
SELECT version_id FROM (
    SELECT DISTINCT ON (version_id) version_id, is_applied FROM goose_db_version ORDER BY version_id, id DESC
) AS latest
WHERE is_applied
"""

_RECORD = "INSERT INTO goose_db_version (version_id, is_applied) VALUES (%s, true)"

_INVALID_INDEXES = """
SELECT relname FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
WHERE NOT indisvalid AND relname = ANY(%s) AND relnamespace = current_schema()::regnamespace
"""


@dataclass(frozen=True)
class Plan:
    """What stands between a database and today's schema."""

    pending: tuple[Migration, ...]
    """Steps that were not applied yet, oldest first."""
    broken: tuple[str, ...]
    """Statements that built an index which is not valid, because building it was interrupted."""
    unknown: tuple[int, ...]
    """Versions that a newer release applied. They do no harm: so far upstream has only ever added."""

    @property
    def current(self) -> bool:
        return not self.pending and not self.broken


async def plan(connection: psycopg.AsyncConnection) -> Plan:
    """What there is to do. Changes nothing."""
    known = all_migrations()
    applied = await _applied(connection)
    pending = tuple(step for step in known if step.version not in applied)
    builds = {
        index: statement
        for step in known
        if step.version in applied
        for statement in step.statements
        if (index := created_index(statement))
    }
    rows = await (await connection.execute(_INVALID_INDEXES, [list(builds)])).fetchall()
    unknown = applied - {0} - {step.version for step in known}
    return Plan(pending, tuple(builds[name] for (name,) in rows), tuple(sorted(unknown)))


async def migrate(connection: psycopg.AsyncConnection) -> Plan:
    """Do all that there is to do, under the lock; gives what that was.

    The connection must be in autocommit mode, and not behind a pooler that shares sessions: the lock is the session's.
    """
    # A limit that suits requests must not end the building of an index.
    await connection.execute("SET statement_timeout = 0")
    async with _lock(connection):
        todo = await plan(connection)
        if todo.unknown:
            log.warning("the database has schema versions of a newer release: %s", ", ".join(map(str, todo.unknown)))
        if not todo.current:
            await connection.execute(_CREATE_VERSIONS)
            # goose takes a table without a row of version 0 for damaged.
            await connection.execute(
                "INSERT INTO goose_db_version (version_id, is_applied)"
                " SELECT 0, true WHERE NOT EXISTS (SELECT FROM goose_db_version)"
            )
        # Before the pending steps, because one of them may take such an index away.
        for statement in todo.broken:
            await _build_index(connection, statement)
        for step in todo.pending:
            await _apply(connection, step)
        return todo


async def _applied(connection: psycopg.AsyncConnection) -> set[int]:
    found = await (await connection.execute("SELECT to_regclass('goose_db_version') IS NOT NULL")).fetchone()
    if found is None or not found[0]:
        return set()
    return {version for (version,) in await (await connection.execute(_APPLIED)).fetchall()}


async def _apply(connection: psycopg.AsyncConnection, step: Migration) -> None:
    log.info("schema version %d (%s) is being applied", step.version, step.name)
    if step.in_transaction:
        async with connection.transaction():
            for statement in step.statements:
                await connection.execute(statement)
            await connection.execute(_RECORD, [step.version])
        return
    for statement in step.statements:
        await _build_index(connection, statement)
    await connection.execute(_RECORD, [step.version])


async def _build_index(connection: psycopg.AsyncConnection, statement: str) -> None:
    """Run a statement that cannot be part of a transaction. What an interrupted one left is taken away first."""
    if index := created_index(statement):
        left = await (await connection.execute(_INVALID_INDEXES, [[index]])).fetchone()
        if left is not None:
            log.warning("index %s was left half built and is built again", index)
            await connection.execute(f'DROP INDEX CONCURRENTLY IF EXISTS "{index}"')
    await connection.execute(statement)


@asynccontextmanager
async def _lock(connection: psycopg.AsyncConnection) -> AsyncIterator[None]:
    waiting = False
    while not await _try_lock(connection):
        if not waiting:
            log.info("another process is changing the schema; waiting for it")
            waiting = True
        await asyncio.sleep(_LOCK_RETRY_SECONDS)
    try:
        yield
    finally:
        # A lost connection has given the lock back by itself.
        if not connection.closed:
            await connection.execute("SELECT pg_advisory_unlock(%s)", [LOCK])


async def _try_lock(connection: psycopg.AsyncConnection) -> bool:
    row = await (await connection.execute("SELECT pg_try_advisory_lock(%s)", [LOCK])).fetchone()
    return row is not None and bool(row[0])
