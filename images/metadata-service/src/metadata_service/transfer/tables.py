"""Runs in the tables of a database. The tables are the same in PostgreSQL and SQLite; the dialects differ a little."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from metadata_service.domain.keys import Key
from metadata_service.transfer.bundles import (
    ArtifactRow,
    Bundle,
    FlowRow,
    MetadataRow,
    RunKey,
    RunRow,
    StepRow,
    TaskRow,
    one_spelling,
)

Row = tuple[Any, ...]

TAKEN = "A number of it is taken by another run or task ({}). Copy into an empty database."
"""Why a run cannot be stored beside others. Numbers are not changed: files of the run are found by them."""

_JSON = frozenset({"tags", "system_tags"})
_OF_TASK = ("flow_id", "run_number", "run_id", "step_name", "task_id", "task_name")
_TASK = ("user_name", "ts_epoch", "last_heartbeat_ts", "tags", "system_tags")
_METADATA = ("field_name", "value", "type", "user_name", "ts_epoch", "tags", "system_tags")
_ARTIFACT = (
    "name",
    "location",
    "ds_type",
    "sha",
    "type",
    "content_type",
    "user_name",
    "attempt_id",
    "ts_epoch",
    "tags",
    "system_tags",
)


class Tables(ABC):
    """The tables of one database. Statements are written with `?`; each call reads or writes one consistent state."""

    address: str

    @abstractmethod
    def close(self) -> None: ...

    @abstractmethod
    @contextmanager
    def transaction(self) -> Iterator[None]: ...

    @abstractmethod
    def rows(self, statement: str, parameters: Sequence[object] = ()) -> list[Row]:
        """The rows that a statement gives; none for one that gives no rows."""

    @abstractmethod
    def insert(self, table: str, columns: Sequence[str], rows: Sequence[Row]) -> None: ...

    @abstractmethod
    def column(self, name: str) -> str:
        """The SQL that reads a column; JSON as text."""

    @abstractmethod
    def key(self, number: int, name: str | None) -> Key:
        """What a run or a task with this number and name is reached by."""

    @abstractmethod
    def place_run(self, run: Key) -> tuple[int, str | None]:
        """The number and the name that a run of this key gets here."""

    @abstractmethod
    def place_task(self, run: Key, task: Key) -> tuple[int, str | None]:
        """The number and the name that a task of this key gets here, in a run of that key."""

    @abstractmethod
    def find_run(self, key: RunKey) -> int | None:
        """The number of the run here."""

    def flows(self) -> list[FlowRow]:
        columns = FlowRow._fields
        return [FlowRow(*row) for row in self._read("flows_v3", columns, "ORDER BY ts_epoch, flow_id")]

    def runs(self) -> list[RunKey]:
        """All runs, in the order in which they were made."""
        rows = self.rows("SELECT flow_id, run_number, run_id FROM runs_v3 ORDER BY ts_epoch, run_number")
        return [RunKey(flow_id, self.key(number, name)) for flow_id, number, name in rows]

    def read(self, key: RunKey) -> Bundle | None:
        """The run with all that belongs to it, or None."""
        with self.transaction():
            number = self.find_run(key)
            if number is None:
                return None
            of_run = "WHERE flow_id = ? AND run_number = ?"
            here = (key.flow_id, number)
            (run,) = self._read("runs_v3", RunRow._fields, of_run, here)
            steps = self._read("steps_v3", StepRow._fields, of_run, here)
            # As they were made: a name gets the next number, and a later task asks for the one behind it.
            tasks = self._of_tasks("tasks_v3", _TASK, of_run + " ORDER BY task_id", here)
            metadata = self._of_tasks("metadata_v3", _METADATA, of_run + " ORDER BY ts_epoch, id", here)
            artifacts = self._of_tasks("artifact_v3", _ARTIFACT, of_run, here)
        return Bundle(
            key,
            RunRow(*run),
            [StepRow(*row) for row in steps],
            [TaskRow(*row) for row in tasks],
            [MetadataRow(*row) for row in metadata],
            [ArtifactRow(*row) for row in artifacts],
        )

    def write_flows(self, flows: Sequence[FlowRow]) -> None:
        with self.transaction():
            self.insert("flows_v3", FlowRow._fields, flows)

    def write(self, bundle: Bundle) -> None:
        """Write the run, whole or not at all, in place of one of the same key."""
        with self.transaction():
            self._delete(bundle.key)
            number, name = self.place_run(bundle.key.run)
            flow_id, shown = bundle.key.flow_id, str(bundle.key.run)
            of_run = ("flow_id", "run_number", "run_id")
            self.insert("runs_v3", (*of_run, *RunRow._fields), [(flow_id, number, name, *bundle.run)])
            # A step keeps the number of its run as text where the run has no name.
            self.insert(
                "steps_v3",
                (*of_run, *StepRow._fields),
                [(flow_id, number, shown, *step) for step in bundle.steps],
            )
            placed: dict[tuple[str, Key], Row] = {}

            def of_task(row: TaskRow | MetadataRow | ArtifactRow) -> Row:
                task = (row.step_name, row.task)
                if task not in placed:
                    placed[task] = self.place_task(bundle.key.run, row.task)
                return (flow_id, number, name, row.step_name, *placed[task], *row[2:])

            self.insert("tasks_v3", (*_OF_TASK, *_TASK), [of_task(row) for row in bundle.tasks])
            self.insert("metadata_v3", (*_OF_TASK, *_METADATA), [of_task(row) for row in bundle.metadata])
            self.insert("artifact_v3", (*_OF_TASK, *_ARTIFACT), [of_task(row) for row in bundle.artifacts])

    def _delete(self, key: RunKey) -> None:
        number = self.find_run(key)
        if number is not None:
            for table in ("artifact_v3", "metadata_v3", "tasks_v3", "steps_v3", "runs_v3"):
                self.rows(f"DELETE FROM {table} WHERE flow_id = ? AND run_number = ?", (key.flow_id, number))

    def _read(self, table: str, columns: Sequence[str], rest: str, parameters: Sequence[object] = ()) -> list[Row]:
        read = ", ".join(map(self.column, columns))
        spelt = [one_spelling if column in _JSON else _as_it_is for column in columns]
        rows = self.rows(f"SELECT {read} FROM {table} {rest}", parameters)
        return [tuple(spell(value) for spell, value in zip(spelt, row, strict=True)) for row in rows]

    def _of_tasks(self, table: str, columns: Sequence[str], rest: str, parameters: Sequence[object]) -> list[Row]:
        rows = self._read(table, ("step_name", "task_id", "task_name", *columns), rest, parameters)
        return [(step_name, self.key(number, name), *row) for step_name, number, name, *row in rows]


def _as_it_is(value: Any) -> Any:
    return value
