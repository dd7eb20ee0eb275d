"""The tables of a file of SQLite."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from metadata_service.domain.keys import MAX_GIVEN, Key
from metadata_service.domain.refusals import Malformed
from metadata_service.settings import SqliteSettings
from metadata_service.storage.sqlite.connections import open_for_writing
from metadata_service.storage.sqlite.schema import migrate
from metadata_service.storage.sqlite.translation import translated
from metadata_service.transfer.bundles import RunKey
from metadata_service.transfer.tables import TAKEN, Row, Tables


class SqliteTables(Tables):
    """Opens the file, and makes its tables where there are none. Raises StorageAway.

    With `only_look` a file that is not there is not made; it reads as an empty one.
    """

    def __init__(self, settings: SqliteSettings, *, only_look: bool = False) -> None:
        self.address = settings.address
        with translated():
            if only_look and not settings.file.exists():
                self._connection = sqlite3.connect(":memory:", isolation_level=None)
                migrate(self._connection)
            else:
                self._connection = open_for_writing(settings)

    def close(self) -> None:
        self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        with translated():
            self._connection.execute("BEGIN")
            try:
                yield
                self._connection.execute("COMMIT")
            except sqlite3.IntegrityError as error:
                raise Malformed(TAKEN.format(error)) from error
            finally:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")

    def rows(self, statement: str, parameters: Sequence[object] = ()) -> list[Row]:
        with translated():
            return self._connection.execute(statement, parameters).fetchall()

    def insert(self, table: str, columns: Sequence[str], rows: Sequence[Row]) -> None:
        marks = ", ".join("?" * len(columns))
        self._connection.executemany(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})", rows)

    def column(self, name: str) -> str:
        return name

    def key(self, number: int, name: str | None) -> Key:
        return number if name is None else name

    def place_run(self, run: Key) -> tuple[int, str | None]:
        return self._place("run", run)

    def place_task(self, run: Key, task: Key) -> tuple[int, str | None]:
        return self._place("task", task)

    def find_run(self, key: RunKey) -> int | None:
        this = "run_number = ? AND run_id IS NULL" if isinstance(key.run, int) else "run_id = ?"
        found = self.rows(f"SELECT run_number FROM runs_v3 WHERE flow_id = ? AND {this}", (key.flow_id, key.run))
        return found[0][0] if found else None

    def _place(self, of: str, key: Key) -> tuple[int, str | None]:
        if isinstance(key, str):
            ((number,),) = self.rows("UPDATE numbers SET last = last + 1 WHERE of = ? RETURNING last", (of,))
            return number, key
        if key <= MAX_GIVEN:
            self.rows("UPDATE numbers SET last = max(last, ?) WHERE of = ?", (key, of))
        return key, None
