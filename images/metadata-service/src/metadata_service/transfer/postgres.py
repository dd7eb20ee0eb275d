"""The tables of a database of PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import psycopg

from metadata_service.domain.keys import MAX_GIVEN, Key, is_number
from metadata_service.domain.refusals import Malformed
from metadata_service.settings import DatabaseSettings
from metadata_service.storage.postgres.connections import complete
from metadata_service.storage.postgres.translation import translated
from metadata_service.transfer.bundles import RunKey
from metadata_service.transfer.tables import TAKEN, Row, Tables

_SEQUENCES = {"run": ("runs_v3", "run_number"), "task": ("tasks_v3", "task_id")}
_JSON = ("tags", "system_tags")


class PostgresTables(Tables):
    """Connects to the database, whose schema must be there. Raises StorageAway."""

    def __init__(self, settings: DatabaseSettings) -> None:
        self.address = settings.address
        with translated():
            self._connection = psycopg.connect(complete(settings), autocommit=True)
            # A run is read in several statements, of one state.
            self._connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ

    def close(self) -> None:
        self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        try:
            with translated(), self._connection.transaction():
                yield
        except psycopg.errors.UniqueViolation as error:
            raise Malformed(TAKEN.format(error.diag.constraint_name)) from error

    def rows(self, statement: str, parameters: Sequence[object] = ()) -> list[Row]:
        with translated():
            cursor = self._connection.execute(statement.replace("?", "%s"), parameters)
            return cursor.fetchall() if cursor.description else []

    def insert(self, table: str, columns: Sequence[str], rows: Sequence[Row]) -> None:
        marks = ", ".join("%s::jsonb" if column in _JSON else "%s" for column in columns)
        statement = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})"
        with self._connection.cursor() as cursor:
            cursor.executemany(statement, rows)

    def column(self, name: str) -> str:
        return f"{name}::text" if name in _JSON else name

    def key(self, number: int, name: str | None) -> Key:
        if name is None:
            return number
        return int(name) if is_number(name) else name

    def place_run(self, run: Key) -> tuple[int, str | None]:
        if isinstance(run, int) and run <= MAX_GIVEN:
            return self._take("run", run), None
        return self._next("run"), str(run)

    def place_task(self, run: Key, task: Key) -> tuple[int, str | None]:
        # A run of local metadata numbers its tasks for itself, and the numbers here are those of all runs.
        if isinstance(task, int) and not (isinstance(run, int) and run > MAX_GIVEN):
            return self._take("task", task), None
        return self._next("task"), str(task)

    def find_run(self, key: RunKey) -> int | None:
        by_number = isinstance(key.run, int) and key.run <= MAX_GIVEN
        this, value = ("run_number = ? AND run_id IS NULL", key.run) if by_number else ("run_id = ?", str(key.run))
        found = self.rows(f"SELECT run_number FROM runs_v3 WHERE flow_id = ? AND {this}", (key.flow_id, value))
        return found[0][0] if found else None

    def _next(self, of: str) -> int:
        ((number,),) = self.rows("SELECT nextval(pg_get_serial_sequence(?, ?))", _SEQUENCES[of])
        return int(number)

    def _take(self, of: str, number: int) -> int:
        """The number, after which the database goes on with higher ones."""
        table, column = _SEQUENCES[of]
        sequence = f"{table}_{column}_seq"
        # A sequence that gave no number yet has 1 as its last value.
        behind = "last_value < ? OR last_value = ? AND NOT is_called"
        self.rows(f"SELECT setval('{sequence}', ?) FROM {sequence} WHERE {behind}", (number, number, number))
        return number
