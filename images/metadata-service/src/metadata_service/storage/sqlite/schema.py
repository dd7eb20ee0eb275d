"""The tables, and the steps from an empty file to today's.

Tables and columns have the names that they have in PostgreSQL. The keys differ: they begin with the run, so that what
belongs to a run lies together, and a task's number need only be its own within its step, as it is in a folder of local
metadata that was imported.
"""

from __future__ import annotations

import sqlite3

from metadata_service.domain.refusals import StorageAway
from metadata_service.storage.garbage_rows import DEFINITION as GARBAGE
from metadata_service.storage.token_rows import DEFINITION as TOKENS

_OF_A_RUN = "user_name TEXT, ts_epoch INTEGER NOT NULL, tags TEXT, system_tags TEXT"
_OF_A_TASK = (
    "flow_id TEXT NOT NULL, run_number INTEGER NOT NULL, run_id TEXT, step_name TEXT NOT NULL,"
    " task_id INTEGER NOT NULL, task_name TEXT"
)

_TABLES = (
    f"CREATE TABLE flows_v3 (flow_id TEXT PRIMARY KEY, {_OF_A_RUN}) WITHOUT ROWID",
    "CREATE TABLE runs_v3 (flow_id TEXT NOT NULL, run_number INTEGER NOT NULL, run_id TEXT,"
    f" last_heartbeat_ts INTEGER, {_OF_A_RUN}, PRIMARY KEY (flow_id, run_number)) WITHOUT ROWID",
    "CREATE UNIQUE INDEX runs_by_name ON runs_v3 (flow_id, run_id) WHERE run_id IS NOT NULL",
    "CREATE INDEX runs_by_time ON runs_v3 (flow_id, ts_epoch, run_number)",
    "CREATE INDEX flows_by_time ON flows_v3 (ts_epoch, flow_id)",
    "CREATE TABLE steps_v3 (flow_id TEXT NOT NULL, run_number INTEGER NOT NULL, run_id TEXT, step_name TEXT NOT NULL,"
    f" {_OF_A_RUN}, PRIMARY KEY (flow_id, run_number, step_name)) WITHOUT ROWID",
    f"CREATE TABLE tasks_v3 ({_OF_A_TASK}, last_heartbeat_ts INTEGER, {_OF_A_RUN},"
    " PRIMARY KEY (flow_id, run_number, step_name, task_id)) WITHOUT ROWID",
    "CREATE UNIQUE INDEX tasks_by_name ON tasks_v3 (flow_id, run_number, step_name, task_name)"
    " WHERE task_name IS NOT NULL",
    f"CREATE TABLE metadata_v3 (id INTEGER PRIMARY KEY, {_OF_A_TASK}, field_name TEXT NOT NULL, value TEXT NOT NULL,"
    f" type TEXT NOT NULL, {_OF_A_RUN})",
    "CREATE INDEX metadata_of_task ON metadata_v3 (flow_id, run_number, step_name, task_id, field_name)",
    f"CREATE TABLE artifact_v3 ({_OF_A_TASK}, name TEXT NOT NULL, location TEXT NOT NULL, ds_type TEXT NOT NULL,"
    f" sha TEXT, type TEXT, content_type TEXT, attempt_id INTEGER NOT NULL, {_OF_A_RUN},"
    " PRIMARY KEY (flow_id, run_number, step_name, task_id, attempt_id, name)) WITHOUT ROWID",
    # The numbers that are given next. Not the tables' own counters: an imported run has a number of 16 digits, after
    # which theirs would go on.
    "CREATE TABLE numbers (of TEXT PRIMARY KEY, last INTEGER NOT NULL) WITHOUT ROWID",
    "INSERT INTO numbers VALUES ('run', 0), ('task', 0)",
)

_TOKENS = (f"CREATE TABLE tokens ({TOKENS}) WITHOUT ROWID",)
_GARBAGE = (f"CREATE TABLE garbage ({GARBAGE}) WITHOUT ROWID",)

_STEPS = (_TABLES, _TOKENS, _GARBAGE)
"""What each version adds to the one before. A file's version is SQLite's user_version."""

VERSION = len(_STEPS)


def version_of(connection: sqlite3.Connection) -> int:
    """The version of a file; 0 when it is new."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return int(version)


def migrate(connection: sqlite3.Connection) -> int:
    """Bring the file to today's version, whole or not at all; gives the version that it had.

    Raises StorageAway for a file of a newer release, which this one may not understand.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        had = version_of(connection)
        if had > VERSION:
            raise StorageAway(f"The file is of a newer release (version {had}, known is {VERSION}). Use that release.")
        for step in _STEPS[had:]:
            for statement in step:
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
    return had
