"""The two databases that can be read, on the connections of the metadata service."""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import re
import sqlite3
from collections.abc import Sequence
from typing import Protocol, cast

from metadata_service.domain.refusals import StorageAway
from metadata_service.settings import DatabaseSettings, SqliteSettings
from metadata_service.storage.interface import Storage
from metadata_service.storage.postgres import connections as postgres
from metadata_service.storage.postgres.own_tables import make_tables
from metadata_service.storage.postgres.store import PostgresStorage
from metadata_service.storage.selecting import Parameters, Row
from metadata_service.storage.sqlite import connections as sqlite
from metadata_service.storage.sqlite.store import SqliteStorage
from ui_backend.reading.dialect import Dialect, Postgres, Sqlite
from ui_backend.reading.keeping import keep_on_postgres, keep_on_sqlite

_ASK_SECONDS = 2.0

# The columns that are asked for. The newest of them came with version 20200603104139 of upstream's schema.
_NEEDED = (
    "SELECT flow_id, tags, system_tags FROM flows_v3 LIMIT 0",
    "SELECT run_id, last_heartbeat_ts FROM runs_v3 LIMIT 0",
    "SELECT run_id FROM steps_v3 LIMIT 0",
    "SELECT task_name, last_heartbeat_ts FROM tasks_v3 LIMIT 0",
    "SELECT run_id, task_name FROM metadata_v3 LIMIT 0",
    "SELECT run_id, task_name FROM artifact_v3 LIMIT 0",
)


class Database(Protocol):
    @property
    def dialect(self) -> Dialect: ...

    async def rows(self, query: str, parameters: Parameters) -> Sequence[Row]:
        """Ask a question as dialect.py says. Raises StorageAway, and Malformed for values that it cannot hold."""

    @property
    def storage(self) -> Storage:
        """The metadata service's store on the same connections: all that is written goes through it."""

    async def ask(self) -> None:
        """Return if the database answers. Raises StorageAway."""

    async def keep(self) -> None:
        """Connect and stay connected. Ends only when cancelled; raises StorageAway for a file that cannot be used."""

    async def close(self) -> None: ...


def open_database(settings: DatabaseSettings | SqliteSettings) -> Database:
    """The database of the settings. It answers when its `keep` runs."""
    return PostgresDatabase(settings) if isinstance(settings, DatabaseSettings) else SqliteDatabase(settings)


class PostgresDatabase:
    """Waits for the metadata service's tables and never makes them. What keeping.py says is made here."""

    def __init__(self, settings: DatabaseSettings) -> None:
        self.dialect = Postgres()
        self._connections = postgres.Connections(settings)
        self._own_tables = settings.own_tables
        self.storage: Storage = PostgresStorage(dataclasses.replace(settings, replica_host=""), self._connections)

    async def rows(self, query: str, parameters: Parameters) -> Sequence[Row]:
        async with self._connections.connection() as connection:
            return await (await connection.execute(query, parameters)).fetchall()

    async def ask(self) -> None:
        await self._connections.ask(_ASK_SECONDS)

    async def keep(self) -> None:
        await self._connections.keep(self._prepare)

    async def close(self) -> None:
        await self._connections.close()

    async def _prepare(self, connection: postgres.Connection) -> None:
        for query in _NEEDED:
            await connection.execute(query)
        if self._own_tables:
            await make_tables(connection)
        await keep_on_postgres(connection)


class SqliteDatabase:
    """A file, which is made when it is not there yet."""

    def __init__(self, settings: SqliteSettings) -> None:
        self.dialect = Sqlite()
        self._connections = sqlite.Connections(settings)
        self.storage: Storage = SqliteStorage(settings, self._connections)
        self._kept = False

    async def rows(self, query: str, parameters: Parameters) -> Sequence[Row]:
        if not self._kept:
            raise StorageAway("The database file is not open yet.")
        text = _named(query)

        def work(connection: sqlite3.Connection) -> list[Row]:
            return cast("list[Row]", connection.execute(text, parameters).fetchall())

        return await self._connections.read(work)

    async def ask(self) -> None:
        await self.rows("SELECT version FROM keeping", {})

    async def keep(self) -> None:
        await self._connections.open()
        await self._connections.write(keep_on_sqlite)
        self._kept = True
        await asyncio.Event().wait()

    async def close(self) -> None:
        await self._connections.close()


@functools.lru_cache(maxsize=256)
def _named(query: str) -> str:
    """The question with parameters as SQLite writes them."""
    return re.sub(r"%\((\w+)\)s", r":\1", query).replace("%%", "%")
