"""What a test reaches behind the API's back, whichever store the service has."""

from __future__ import annotations

import contextlib
import re
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from metadata_testbed.postgres import PostgresServer


class Store(Protocol):
    """The tables of a store. Statements are written as for psycopg, `%(name)s` for a parameter."""

    name: str

    @property
    def address(self) -> str | Path:
        """What a service is started with: a connection string, or a file of SQLite."""

    def execute(self, statement: str, parameters: Mapping[str, Any] | None = None) -> None: ...

    def rows(self, query: str, parameters: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]: ...


class PostgresStore:
    """A database of a server."""

    name = "postgres"

    def __init__(self, server: PostgresServer, database: str) -> None:
        self._server, self._database = server, database

    @property
    def address(self) -> str:
        return self._server.dsn(self._database)

    def execute(self, statement: str, parameters: Mapping[str, Any] | None = None) -> None:
        self._server.execute(statement, parameters, self._database)

    def rows(self, query: str, parameters: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        return self._server.rows(query, parameters, self._database)


class SqliteStore:
    """A file of SQLite. Its columns of JSON come as text."""

    name = "sqlite"

    def __init__(self, file: Path) -> None:
        self.address = file

    def execute(self, statement: str, parameters: Mapping[str, Any] | None = None) -> None:
        self.rows(statement, parameters)

    def rows(self, query: str, parameters: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        with contextlib.closing(sqlite3.connect(self.address, timeout=30, isolation_level=None)) as connection:
            return connection.execute(re.sub(r"%\((\w+)\)s", r":\1", query), parameters or {}).fetchall()
