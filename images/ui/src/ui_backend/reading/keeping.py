"""What the UI keeps in the database besides the metadata service's tables: a log of changes, and how runs ended.

Both are written by triggers, so whoever writes a row, upstream's service too, writes them with it, in one transaction.

`changes` has a row for each object that a statement touched. A heartbeat is a change only when it ends a silence. What
is older than an hour is removed on the way, by the triggers themselves, so that nobody has to come and do it.

`run_ends` has of each run the two values that its status needs of the marks of its step `end`: `mark`, the greatest of
`ts_epoch * 4 + ok` over its readable `attempt_ok`, and `attempted_at`, the greatest time of its `attempt`. Greatest
values come out the same in whatever order marks arrive.
"""

from __future__ import annotations

import sqlite3

from metadata_service.domain.refusals import StorageAway
from metadata_service.storage.postgres.connections import Connection
from metadata_service.storage.postgres.migrate import LOCK
from metadata_service.storage.postgres.own_tables import make_schema
from ui_backend.reading.ages import SUCCESS

VERSION = 2
"""Of the definitions here. A database with another one gets them anew."""

KEPT_MS = 3_600_000
"""How long a change is kept at least."""

_SILENCE_SECONDS = 30
"""A heartbeat after so long a time makes a difference."""

_TRIMMED_AT_ONCE = 5000
_TRIM_ONCE_IN = 1000
_TRIM_LOCK = int.from_bytes(b"trim", "big")

_KEYS = {
    "flow": ("flows_v3", ("flow_id",)),
    "run": ("runs_v3", ("flow_id", "run_number")),
    "step": ("steps_v3", ("flow_id", "run_number", "step_name")),
    "task": ("tasks_v3", ("flow_id", "run_number", "step_name", "task_id")),
    "metadata": ("metadata_v3", ("flow_id", "run_number", "step_name", "task_id")),
    "artifact": ("artifact_v3", ("flow_id", "run_number", "step_name", "task_id")),
}
"""What changes are about: the table, and the columns by which they name the object."""

_MARKS = "step_name = 'end' AND field_name IN ('attempt', 'attempt_ok')"
_ENDS = (
    f"SELECT flow_id, run_number, max(CASE field_name WHEN 'attempt_ok' THEN ts_epoch * 4 + {SUCCESS.format('value')}"
    " END), max(CASE field_name WHEN 'attempt' THEN ts_epoch END)"
)
_END_COLUMNS = "flow_id, run_number, mark, attempted_at"

_UPDATED = {
    "flow": "OLD.tags IS DISTINCT FROM NEW.tags OR OLD.system_tags IS DISTINCT FROM NEW.system_tags",
    "run": "OLD.tags IS DISTINCT FROM NEW.tags OR OLD.system_tags IS DISTINCT FROM NEW.system_tags OR {silence}",
    "task": "{silence}",
}
"""Which updates are changes."""

_SILENCE = (
    f"NEW.last_heartbeat_ts > coalesce(OLD.last_heartbeat_ts, 0) + {_SILENCE_SECONDS}"
    f" OR NEW.last_heartbeat_ts < OLD.last_heartbeat_ts - {_SILENCE_SECONDS}"
)


async def keep_on_postgres(connection: Connection) -> None:
    """Make tables and triggers where they are not there, and fill in what was recorded before.

    The connection must be in autocommit mode. Needs the right to make a schema, or the schema, and triggers on the
    tables of the metadata service. Raises StorageAway while migrations run.
    """
    if await _filled(connection) is None:
        async with connection.transaction():
            # A trigger waits for an index that is being built on its table, which waits for this transaction.
            if not await _one(connection, f"SELECT pg_try_advisory_xact_lock({LOCK})"):
                raise StorageAway("Its schema is being brought up to date.")
            await make_schema(connection)
            # Another process may have done it meanwhile.
            if await _filled(connection) is None:
                for statement in _definitions(await _one(connection, "SELECT quote_ident(current_schema())")):
                    await connection.execute(statement)
    if await _filled(connection) is False:
        async with connection.transaction():
            await make_schema(connection)
            # Writers go on meanwhile. It makes no difference who comes first with a mark.
            await connection.execute(
                f"INSERT INTO tributary.run_ends AS e ({_END_COLUMNS}) {_ENDS} FROM metadata_v3 WHERE {_MARKS}"
                f" GROUP BY flow_id, run_number ORDER BY flow_id, run_number {_GREATEST}"
            )
            await connection.execute("UPDATE tributary.keeping SET filled = true")
        await connection.execute("ANALYZE tributary.run_ends")


async def _filled(connection: Connection) -> bool | None:
    """Whether all was filled in; None where the tables or triggers of this version are not there."""
    if await _one(connection, "SELECT to_regclass('tributary.keeping')") is None:
        return None
    filled = await _one(connection, f"SELECT filled FROM tributary.keeping WHERE version = {VERSION}")
    return None if filled is None else bool(filled)


async def _one(connection: Connection, query: str) -> object:
    row = await (await connection.execute(query)).fetchone()
    return None if row is None else row[0]


_GREATEST = (
    "ON CONFLICT (flow_id, run_number) DO UPDATE SET mark = greatest(e.mark, excluded.mark),"
    " attempted_at = greatest(e.attempted_at, excluded.attempted_at)"
)
_NOW_MS = "(extract(epoch FROM clock_timestamp()) * 1000)::bigint"
_FUNCTION = "RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp"


def _definitions(schema: object) -> list[str]:
    """All tables and triggers on PostgreSQL; `schema` is that of the metadata service's tables, as SQL writes it."""
    statements = [
        "CREATE TABLE IF NOT EXISTS tributary.changes (xid xid8 NOT NULL DEFAULT pg_current_xact_id(),"
        " at bigint NOT NULL, kind text NOT NULL, op text NOT NULL, flow_id text NOT NULL, run_number bigint,"
        " step_name text, task_id bigint)",
        "CREATE INDEX IF NOT EXISTS changes_by_xid ON tributary.changes (xid)",
        "CREATE TABLE IF NOT EXISTS tributary.run_ends (flow_id text, run_number bigint, mark bigint,"
        " attempted_at bigint, PRIMARY KEY (flow_id, run_number))",
        "CREATE TABLE IF NOT EXISTS tributary.keeping (version integer NOT NULL, filled boolean NOT NULL)",
        "DELETE FROM tributary.keeping",
        f"INSERT INTO tributary.keeping VALUES ({VERSION}, false)",
        f"""
        CREATE OR REPLACE FUNCTION tributary.trim_changes() RETURNS void LANGUAGE plpgsql
            SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
        BEGIN
            -- Two at once would wait for each other, and with them whoever writes.
            IF pg_try_advisory_xact_lock({_TRIM_LOCK}) THEN
                DELETE FROM tributary.changes WHERE ctid = ANY (ARRAY(
                    SELECT old.ctid FROM (
                        SELECT ctid, at FROM tributary.changes ORDER BY xid LIMIT {_TRIMMED_AT_ONCE}
                    ) AS old WHERE old.at < {_NOW_MS} - {KEPT_MS}
                ));
            END IF;
        END $$
        """,
    ]
    for kind, (table, keys) in _KEYS.items():
        statements += _triggers(kind, f"{schema}.{table}", keys)
    return statements + _triggers_of_ends(f"{schema}.metadata_v3", f"{schema}.runs_v3")


def _triggers(kind: str, table: str, keys: tuple[str, ...]) -> list[str]:
    # One call for all rows of a statement, and for a heartbeat none at all.
    columns = ", ".join(keys)
    statements = [
        f"""
        CREATE OR REPLACE FUNCTION tributary.note_{kind}() {_FUNCTION} AS $$
        BEGIN
            INSERT INTO tributary.changes (at, kind, op, {columns})
            SELECT DISTINCT {_NOW_MS}, '{kind}', TG_OP, {columns} FROM touched;
            IF random() < {1 / _TRIM_ONCE_IN} THEN
                PERFORM tributary.trim_changes();
            END IF;
            RETURN NULL;
        END $$
        """,
        *_trigger(f"tributary_{kind}_insert", f"INSERT ON {table}", table, "NEW", f"note_{kind}"),
    ]
    if kind in ("flow", "run"):
        statements += _trigger(f"tributary_{kind}_delete", f"DELETE ON {table}", table, "OLD", f"note_{kind}")
    if kind in _UPDATED:
        when = _UPDATED[kind].format(silence=_SILENCE)
        values = ", ".join(f"NEW.{name}" for name in keys)
        statements += [
            f"""
            CREATE OR REPLACE FUNCTION tributary.note_{kind}_update() {_FUNCTION} AS $$
            BEGIN
                INSERT INTO tributary.changes (at, kind, op, {columns}) VALUES ({_NOW_MS}, '{kind}', TG_OP, {values});
                RETURN NULL;
            END $$
            """,
            f"DROP TRIGGER IF EXISTS tributary_{kind}_update ON {table}",
            f"CREATE TRIGGER tributary_{kind}_update AFTER UPDATE ON {table} FOR EACH ROW WHEN ({when})"
            f" EXECUTE FUNCTION tributary.note_{kind}_update()",
        ]
    return statements


def _triggers_of_ends(metadata: str, runs: str) -> list[str]:
    return [
        f"""
        CREATE OR REPLACE FUNCTION tributary.note_ends() {_FUNCTION} AS $$
        BEGIN
            INSERT INTO tributary.run_ends AS e ({_END_COLUMNS}) {_ENDS} FROM touched WHERE {_MARKS}
            GROUP BY flow_id, run_number ORDER BY flow_id, run_number {_GREATEST};
            RETURN NULL;
        END $$
        """,
        *_trigger("tributary_ends_insert", f"INSERT ON {metadata}", metadata, "NEW", "note_ends"),
        f"""
        CREATE OR REPLACE FUNCTION tributary.forget_marks() {_FUNCTION} AS $$
        BEGIN
            DELETE FROM tributary.run_ends AS e USING (SELECT DISTINCT flow_id, run_number FROM touched WHERE {_MARKS})
                AS t WHERE e.flow_id = t.flow_id AND e.run_number = t.run_number;
            INSERT INTO tributary.run_ends AS e ({_END_COLUMNS}) {_ENDS} FROM {metadata} WHERE {_MARKS}
                AND (flow_id, run_number) IN (SELECT flow_id, run_number FROM touched WHERE {_MARKS})
            GROUP BY flow_id, run_number {_GREATEST};
            RETURN NULL;
        END $$
        """,
        *_trigger("tributary_ends_delete", f"DELETE ON {metadata}", metadata, "OLD", "forget_marks"),
        f"""
        CREATE OR REPLACE FUNCTION tributary.forget_ends() {_FUNCTION} AS $$
        BEGIN
            DELETE FROM tributary.run_ends AS e USING touched AS t
                WHERE e.flow_id = t.flow_id AND e.run_number = t.run_number;
            RETURN NULL;
        END $$
        """,
        *_trigger("tributary_run_ends_delete", f"DELETE ON {runs}", runs, "OLD", "forget_ends"),
    ]


def _trigger(name: str, when: str, table: str, state: str, function: str) -> list[str]:
    return [
        f"DROP TRIGGER IF EXISTS {name} ON {table}",
        f"CREATE TRIGGER {name} AFTER {when} REFERENCING {state} TABLE AS touched"
        f" FOR EACH STATEMENT EXECUTE FUNCTION tributary.{function}()",
    ]


def keep_on_sqlite(connection: sqlite3.Connection) -> None:
    """The same in a file of SQLite. The connection must be in a transaction."""
    connection.execute("CREATE TABLE IF NOT EXISTS keeping (version INTEGER NOT NULL)")
    found = connection.execute("SELECT version FROM keeping").fetchone()
    if found is not None and found[0] == VERSION:
        return
    for statement in _sqlite_definitions():
        connection.execute(statement)
    connection.execute(
        f"INSERT OR REPLACE INTO run_ends ({_END_COLUMNS}) {_ENDS} FROM metadata_v3 WHERE {_MARKS}"
        " GROUP BY flow_id, run_number"
    )
    connection.execute("DELETE FROM keeping")
    connection.execute("INSERT INTO keeping VALUES (?)", [VERSION])


_SQLITE_NOW_MS = "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)"


def _sqlite_definitions() -> list[str]:
    statements = [
        "CREATE TABLE IF NOT EXISTS changes (seq INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL,"
        " kind TEXT NOT NULL, op TEXT NOT NULL, flow_id TEXT NOT NULL, run_number INTEGER, step_name TEXT,"
        " task_id INTEGER)",
        "CREATE TABLE IF NOT EXISTS run_ends (flow_id TEXT NOT NULL, run_number INTEGER NOT NULL, mark INTEGER,"
        " attempted_at INTEGER, PRIMARY KEY (flow_id, run_number)) WITHOUT ROWID",
        # The runs of all flows, newest first.
        "CREATE INDEX IF NOT EXISTS runs_of_all ON runs_v3 (ts_epoch DESC, flow_id, run_number DESC)",
        *_sqlite_trigger(
            "trim",
            f"INSERT ON changes WHEN NEW.seq % {_TRIM_ONCE_IN} = 0",
            f"DELETE FROM changes WHERE at < NEW.at - {KEPT_MS}"
            f" AND seq IN (SELECT seq FROM changes ORDER BY seq LIMIT {_TRIMMED_AT_ONCE})",
        ),
    ]
    for kind, (table, keys) in _KEYS.items():
        statements += _sqlite_triggers(kind, table, keys)
    marks = _MARKS.replace("step_name", "{0}.step_name").replace("field_name", "{0}.field_name")
    # An older SQLite does not know UPSERT's greatest of nulls: the one that is there counts.
    greatest = "max(coalesce({0}, excluded.{0}), coalesce(excluded.{0}, {0}))"
    again = (
        f"INSERT OR REPLACE INTO run_ends ({_END_COLUMNS}) {_ENDS} FROM metadata_v3 WHERE {_MARKS}"
        " AND flow_id = OLD.flow_id AND run_number = OLD.run_number GROUP BY flow_id, run_number"
    )
    forget = "DELETE FROM run_ends WHERE flow_id = OLD.flow_id AND run_number = OLD.run_number"
    return [
        *statements,
        *_sqlite_trigger(
            "ends_insert",
            f"INSERT ON metadata_v3 WHEN {marks.format('NEW')}",
            f"INSERT INTO run_ends ({_END_COLUMNS}) VALUES (NEW.flow_id, NEW.run_number,"
            f" CASE NEW.field_name WHEN 'attempt_ok' THEN NEW.ts_epoch * 4 + {SUCCESS.format('NEW.value')} END,"
            " CASE NEW.field_name WHEN 'attempt' THEN NEW.ts_epoch END)"
            f" ON CONFLICT (flow_id, run_number) DO UPDATE SET mark = {greatest.format('mark')},"
            f" attempted_at = {greatest.format('attempted_at')}",
        ),
        *_sqlite_trigger("ends_delete", f"DELETE ON metadata_v3 WHEN {marks.format('OLD')}", f"{forget}; {again}"),
        *_sqlite_trigger("run_ends_delete", "DELETE ON runs_v3", forget),
    ]


def _sqlite_triggers(kind: str, table: str, keys: tuple[str, ...]) -> list[str]:
    def note(op: str, state: str) -> str:
        values = ", ".join(f"{state}.{name}" for name in keys)
        return (
            f"INSERT INTO changes (at, kind, op, {', '.join(keys)})"
            f" VALUES ({_SQLITE_NOW_MS}, '{kind}', '{op}', {values})"
        )

    statements = _sqlite_trigger(f"{kind}_insert", f"INSERT ON {table}", note("INSERT", "NEW"))
    if kind in ("flow", "run"):
        statements += _sqlite_trigger(f"{kind}_delete", f"DELETE ON {table}", note("DELETE", "OLD"))
    if kind in _UPDATED:
        when = _UPDATED[kind].format(silence=_SILENCE).replace("IS DISTINCT FROM", "IS NOT")
        statements += _sqlite_trigger(f"{kind}_update", f"UPDATE ON {table} WHEN {when}", note("UPDATE", "NEW"))
    return statements


def _sqlite_trigger(name: str, when: str, work: str) -> list[str]:
    return [
        f"DROP TRIGGER IF EXISTS tributary_{name}",
        f"CREATE TRIGGER tributary_{name} AFTER {when} BEGIN {work}; END",
    ]
