"""Rows of the metadata service's tables, written past the service: millions of them in a minute."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

_RUN = ("flow_id", "run_number", "run_id")
_OWN = ("user_name", "ts_epoch", "tags", "system_tags")
_TASK = (*_RUN, "step_name", "task_id", "task_name")

COLUMNS = {
    "flows_v3": ("flow_id", *_OWN),
    "runs_v3": (*_RUN, "last_heartbeat_ts", *_OWN),
    "steps_v3": (*_RUN, "step_name", *_OWN),
    "tasks_v3": (*_TASK, "last_heartbeat_ts", *_OWN),
    "metadata_v3": (*_TASK, "field_name", "value", "type", *_OWN),
    "artifact_v3": (
        *(*_TASK, "name", "location", "ds_type", "sha", "type", "content_type", "attempt_id"),
        *_OWN,
    ),
}
"""The tables, parents first, with the columns that are written. Metadata gets its ids from the database."""

_NUMBERED = (("runs_v3", "run_number"), ("tasks_v3", "task_id"))

Record = dict[str, Any]


@dataclass
class Rows:
    """Rows by table. Columns that are not given are null, tags an empty list."""

    tables: dict[str, list[Record]] = field(default_factory=lambda: {name: [] for name in COLUMNS})

    def add(self, table: str, record: Record) -> None:
        self.tables[table].append(record)

    def __len__(self) -> int:
        return sum(map(len, self.tables.values()))


def write(target: str | Path, rows: Rows) -> None:
    """Into a database with today's tables: a connection string of PostgreSQL, or a file of SQLite."""
    if isinstance(target, Path):
        _write_sqlite(target, rows)
    else:
        _write_postgres(target, rows)


def is_empty(target: str | Path) -> bool:
    """Whether no flow is recorded."""
    query = "SELECT count(*) FROM (SELECT 1 FROM flows_v3 LIMIT 1) AS f"
    if isinstance(target, Path):
        with contextlib.closing(sqlite3.connect(target, timeout=30)) as connection:
            return not connection.execute(query).fetchone()[0]
    with psycopg.connect(target) as postgres:
        found = postgres.execute(query).fetchone()
        return not (found and found[0])


def advance(target: str | Path) -> None:
    """Let the database count on after the numbers that were written, and look at how much there is."""
    if isinstance(target, Path):
        with contextlib.closing(sqlite3.connect(target, timeout=30)) as connection, connection:
            for table, column in _NUMBERED:
                last = f"(SELECT coalesce(max({column}), 0) FROM {table})"
                of = table.removesuffix("s_v3")
                connection.execute(f"UPDATE numbers SET last = max(last, {last}) WHERE of = ?", [of])
            connection.execute("ANALYZE")
        return
    with psycopg.connect(target, autocommit=True) as postgres:
        for table, column in _NUMBERED:
            postgres.execute(
                sql.SQL("SELECT setval(pg_get_serial_sequence({}, {}), max({})) FROM {}").format(
                    table, column, sql.Identifier(column), sql.Identifier(table)
                )
            )
        postgres.execute("ANALYZE")


def _write_sqlite(file: Path, rows: Rows) -> None:
    with contextlib.closing(sqlite3.connect(file, timeout=30)) as connection, connection:
        for table, records in rows.tables.items():
            columns = COLUMNS[table]
            marks = ", ".join("?" * len(columns))
            statement = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})"
            connection.executemany(statement, _values(columns, records))


def _write_postgres(dsn: str, rows: Rows) -> None:
    with psycopg.connect(dsn) as connection, connection.cursor() as cursor:
        for table, records in rows.tables.items():
            columns = COLUMNS[table]
            names = sql.SQL(", ").join(map(sql.Identifier, columns))
            statement = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(table), names)
            with cursor.copy(statement) as copy:
                for values in _values(columns, records):
                    copy.write_row(values)


def _values(columns: tuple[str, ...], records: Iterable[Record]) -> Iterator[tuple[Any, ...]]:
    for record in records:
        yield tuple(
            json.dumps(record.get(name, [])) if name in ("tags", "system_tags") else record.get(name)
            for name in columns
        )
