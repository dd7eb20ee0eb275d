"""The schema comes up to date from nothing and from every version of upstream's, whatever happens on the way."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import psycopg
import pytest
from metadata_testbed.api import Api
from metadata_testbed.postgres import PostgresServer
from metadata_testbed.service import Service, run_command
from metadata_testbed.waiting import eventually

from metadata_service.storage.postgres.migrate import LOCK
from metadata_service.storage.postgres.migrations import all_migrations

pytestmark = pytest.mark.server

OpenApi = Callable[[Service], Api]

NewDatabase = Callable[[], str]

VERSIONS = [step.version for step in all_migrations()]

# What upstream's newest release has made of its database, by the names in its own files.
TABLES = ["artifact_v3", "flows_v3", "goose_db_version", "metadata_v3", "runs_v3", "steps_v3", "tasks_v3"]
INDEXES = [
    "artifact_v3_idx_latest_attempt",
    "artifact_v3_idx_str_ids_primary_key_v2",
    "artifact_v3_idx_str_ids_primary_key_with_task_id",
    "artifact_v3_pkey",
    "flows_v3_idx_ts_flow_desc",
    "flows_v3_pkey",
    "goose_db_version_pkey",
    "metadata_v3_akey",
    "metadata_v3_idx_flow_run_ts_id_desc",
    "metadata_v3_idx_str_ids_a_key",
    "metadata_v3_idx_str_ids_a_key_with_task_id",
    "metadata_v3_pkey",
    "runs_v3_flow_id_run_id_key",
    "runs_v3_idx_epoch_ts_desc",
    "runs_v3_idx_flow_id_asc_ts_epoch_desc",
    "runs_v3_idx_flow_ts_runnum_desc",
    "runs_v3_idx_gin_tags_combined",
    "runs_v3_idx_str_ids_primary_key_v2",
    "runs_v3_idx_ts_epoch",
    "runs_v3_idx_user_asc_ts_epoch_desc",
    "runs_v3_pkey",
    "steps_v3_flow_id_run_id_step_name_key",
    "steps_v3_idx_str_ids_primary_key_v2",
    "steps_v3_pkey",
    "tasks_v3_flow_id_run_number_step_name_task_name_key",
    "tasks_v3_idx_flow_id_run_id_step_name_task_name_v2",
    "tasks_v3_idx_flow_run_step_ts_task_desc",
    "tasks_v3_pkey",
]

_SCHEMA = """
SELECT 'column', table_name || '.' || column_name,
    concat_ws(' ', data_type, character_maximum_length, is_nullable, column_default)
FROM information_schema.columns WHERE table_schema = 'public'
UNION ALL SELECT 'index', indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'
UNION ALL SELECT 'constraint', conrelid::regclass || '.' || conname, pg_get_constraintdef(oid)
FROM pg_constraint WHERE connamespace = 'public'::regnamespace
ORDER BY 1, 2
"""

_APPLIED = "SELECT version_id FROM goose_db_version WHERE is_applied ORDER BY id"
_INVALID = "SELECT count(*) FROM pg_index WHERE NOT indisvalid"


def schema(postgres: PostgresServer, database: str) -> list[tuple[str, ...]]:
    return postgres.rows(_SCHEMA, database=database)


def migrate(postgres: PostgresServer, database: str) -> str:
    done = run_command("migrate", MF_METADATA_DB_DSN=postgres.dsn(database))
    assert done.returncode == 0, done.stderr
    return done.stdout


def bring_to(postgres: PostgresServer, database: str, version: int) -> None:
    """The database as upstream's migrations had left it at that version, goose's table included."""
    with postgres.connect(database) as connection:
        connection.execute(
            "CREATE TABLE goose_db_version (id serial NOT NULL, version_id bigint NOT NULL,"
            " is_applied boolean NOT NULL, tstamp timestamp NULL DEFAULT now(), PRIMARY KEY (id))"
        )
        connection.execute("INSERT INTO goose_db_version (version_id, is_applied) VALUES (0, true)")
        for step in all_migrations():
            if step.version <= version:
                for statement in step.statements:
                    connection.execute(statement)
                record = "INSERT INTO goose_db_version (version_id, is_applied) VALUES (%s, true)"
                connection.execute(record, [step.version])


def add_old_runs(postgres: PostgresServer, database: str, count: int = 1) -> None:
    """Runs with all that belongs to them, in the columns that have been there since the first version."""
    with postgres.connect(database) as connection:
        connection.execute("INSERT INTO flows_v3 (flow_id, ts_epoch) VALUES ('Old', 1)")
        for statement in (
            """INSERT INTO runs_v3 (flow_id, ts_epoch, tags, system_tags) SELECT 'Old', 2, '["a"]', '["b"]'""",
            "INSERT INTO steps_v3 (flow_id, run_number, step_name, ts_epoch) SELECT 'Old', i, 'start', 3",
            "INSERT INTO tasks_v3 (flow_id, run_number, step_name, ts_epoch) SELECT 'Old', i, 'start', 4",
            "INSERT INTO metadata_v3 (flow_id, run_number, step_name, task_id, field_name, value, type, ts_epoch)"
            " SELECT 'Old', i, 'start', i, 'attempt', '0', 'attempt', 5",
            "INSERT INTO artifact_v3"
            " (flow_id, run_number, step_name, task_id, name, location, ds_type, attempt_id, ts_epoch)"
            " SELECT 'Old', i, 'start', i, 'name', 'l', 's3', 0, 6",
        ):
            connection.execute(f"{statement} FROM generate_series(1, {count}) AS i ORDER BY i")
            # Otherwise the keys of the next table are looked up by reading this one whole for each row.
            connection.execute("ANALYZE")


def count_rows(postgres: PostgresServer, database: str) -> dict[str, int]:
    """The rows of each of upstream's tables that hold records."""
    tables = [table for table in TABLES if table.endswith("_v3")]
    return {table: postgres.rows(f"SELECT count(*) FROM {table}", database=database)[0][0] for table in tables}


@contextmanager
def lock_held(postgres: PostgresServer, database: str) -> Iterator[None]:
    """As if another replica were changing the schema."""
    with postgres.connect(database) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", [LOCK])
        yield


def test_from_nothing_it_becomes_upstreams_schema(postgres: PostgresServer, new_database: NewDatabase) -> None:
    database = new_database()
    migrate(postgres, database)
    made = schema(postgres, database)
    assert [name for kind, name, _ in made if kind == "index"] == INDEXES
    assert sorted({name.partition(".")[0] for kind, name, _ in made if kind == "column"}) == TABLES
    columns = {name: definition for kind, name, definition in made if kind == "column"}
    assert columns["artifact_v3.location"] == "character varying 255 NO"
    assert columns["runs_v3.run_number"] == "integer NO nextval('runs_v3_run_number_seq'::regclass)"
    assert columns["tasks_v3.task_id"] == "bigint NO nextval('tasks_v3_task_id_seq'::regclass)"
    assert postgres.rows(_APPLIED, database=database) == [(0,), *((version,) for version in VERSIONS)]


@pytest.mark.parametrize("version", VERSIONS)
def test_from_each_version_of_upstreams(
    postgres: PostgresServer,
    new_database: NewDatabase,
    shared_database: str,
    start_service: Callable[..., Service],
    version: int,
    open_api: OpenApi,
) -> None:
    database = new_database()
    bring_to(postgres, database, version)
    add_old_runs(postgres, database, 1000)
    before = count_rows(postgres, database)
    service = start_service(postgres.dsn(database))
    service.wait_until()
    assert (
        count_rows(postgres, database) == before == {"flows_v3": 1} | dict.fromkeys(before.keys() - {"flows_v3"}, 1000)
    )
    assert schema(postgres, database) == schema(postgres, shared_database)
    assert postgres.rows(_APPLIED, database=database) == [(0,), *((version,) for version in VERSIONS)]
    api = open_api(service)
    task = "/flows/Old/runs/1/steps/start/tasks/1"
    assert api.get(task)["tags"] == ["a"]
    assert [one["value"] for one in api.get(task + "/metadata")] == ["0"]
    assert [one["name"] for one in api.get(task + "/artifacts")] == ["name"]
    assert api.get("/flows/Old/runs", {"status": "failed"})[0]["run_number"] == 1000
    assert api.get(api.new_task(api.new_step("/flows/Old/runs/1", "end")))["task_id"] == 1001


def test_a_second_time_there_is_nothing_to_do(postgres: PostgresServer, new_database: NewDatabase) -> None:
    database = new_database()
    assert "version 1 (tables)" in migrate(postgres, database)
    before = schema(postgres, database)
    assert migrate(postgres, database) == "The schema was up to date.\n"
    assert schema(postgres, database) == before


def test_several_at_once_do_it_once(
    postgres: PostgresServer, new_database: NewDatabase, start_service: Callable[..., Service], shared_database: str
) -> None:
    database = new_database()
    services = [start_service(postgres.dsn(database)) for _ in range(2)]
    with ThreadPoolExecutor(2) as pool:
        said = list(pool.map(lambda _: migrate(postgres, database), range(2)))
    for service in services:
        service.wait_until()
    assert len([words for words in said if words.startswith("Done")]) <= 1
    assert schema(postgres, database) == schema(postgres, shared_database)
    assert postgres.rows(_APPLIED, database=database) == [(0,), *((version,) for version in VERSIONS)]


def test_a_replica_waits_for_the_one_at_work(
    postgres: PostgresServer,
    new_database: NewDatabase,
    start_service: Callable[..., Service],
    open_api: OpenApi,
) -> None:
    database = new_database()
    with lock_held(postgres, database):
        service = start_service(postgres.dsn(database))
        service.wait_until("/ping")
        service.wait_until("/readyz", status=503)
        service.wait_for_log("waiting for it")
        assert open_api(service).get("/flows", status=503)["message"]
    service.wait_until()


def test_a_waiting_replica_does_not_hold_back_an_index(
    postgres: PostgresServer, new_database: NewDatabase, start_service: Callable[..., Service]
) -> None:
    database = new_database()
    bring_to(postgres, database, VERSIONS[3])
    with lock_held(postgres, database):
        service = start_service(postgres.dsn(database))
        service.wait_for_log("waiting for it")
        with psycopg.connect(postgres.dsn(database), autocommit=True, options="-c statement_timeout=120s") as other:
            other.execute("CREATE INDEX CONCURRENTLY beside ON runs_v3 (user_name)")
    service.wait_until()


def test_killed_while_it_builds_an_index_it_is_started_again(
    postgres: PostgresServer, new_database: NewDatabase, start_service: Callable[..., Service], shared_database: str
) -> None:
    database = new_database()
    bring_to(postgres, database, 20210202145952)
    with postgres.connect(database) as blocker:
        # An open transaction that has written: the index waits for its end, half built.
        blocker.execute("BEGIN")
        blocker.execute("INSERT INTO flows_v3 (flow_id, ts_epoch) VALUES ('F', 1)")
        blocker.execute("INSERT INTO runs_v3 (flow_id, ts_epoch) VALUES ('F', 1)")
        blocker.execute("INSERT INTO steps_v3 (flow_id, run_number, step_name, ts_epoch) VALUES ('F', 1, 's', 1)")
        blocker.execute("INSERT INTO tasks_v3 (flow_id, run_number, step_name, ts_epoch) VALUES ('F', 1, 's', 1)")
        service = start_service(postgres.dsn(database))

        def look() -> str | None:
            found = postgres.rows(_INVALID, database=database)
            return None if found == [(1,)] else f"{found} half built indexes: {service.log_text()}"

        eventually(look, within=120)
        service.kill()
        # The server goes on with the statement of a client that is gone; end it as a crash of the server would.
        postgres.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'CREATE INDEX%%'", {}, database
        )
        blocker.execute("COMMIT")
    migrate(postgres, database)
    assert schema(postgres, database) == schema(postgres, shared_database)
    assert postgres.rows(_INVALID, database=database) == [(0,)]


def test_an_index_that_was_left_broken_is_built_anew(
    postgres: PostgresServer, new_database: NewDatabase, shared_database: str
) -> None:
    database = new_database()
    migrate(postgres, database)
    with postgres.connect(database) as connection:
        # Recorded as done, and yet not valid.
        connection.execute(
            "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'artifact_v3_idx_latest_attempt'::regclass"
        )
    check = run_command("check", MF_METADATA_DB_DSN=postgres.dsn(database))
    assert check.returncode == 1 and "artifact_v3_idx_latest_attempt" in check.stdout
    assert "artifact_v3_idx_latest_attempt" in migrate(postgres, database)
    assert postgres.rows(_INVALID, database=database) == [(0,)]
    assert schema(postgres, database) == schema(postgres, shared_database)


def test_tables_that_a_service_made_without_goose_are_taken_over(
    postgres: PostgresServer, new_database: NewDatabase, shared_database: str
) -> None:
    database = new_database()
    bring_to(postgres, database, VERSIONS[2])
    postgres.execute("DROP TABLE goose_db_version", database=database)
    add_old_runs(postgres, database)
    migrate(postgres, database)
    assert schema(postgres, database) == schema(postgres, shared_database)
    assert postgres.rows("SELECT count(*) FROM metadata_v3", database=database) == [(1,)]


def test_versions_of_a_newer_release_are_left_alone(
    postgres: PostgresServer, new_database: NewDatabase, start_service: Callable[..., Service]
) -> None:
    database = new_database()
    migrate(postgres, database)
    postgres.execute(
        "INSERT INTO goose_db_version (version_id, is_applied) VALUES (20270101000000, true)", {}, database
    )
    service = start_service(postgres.dsn(database))
    service.wait_until()
    assert "20270101000000" in service.log_text()


def test_a_step_that_goose_undid_is_done_again(postgres: PostgresServer, new_database: NewDatabase) -> None:
    database = new_database()
    migrate(postgres, database)
    postgres.execute("DROP INDEX flows_v3_idx_ts_flow_desc", database=database)
    undone = "INSERT INTO goose_db_version (version_id, is_applied) VALUES (20260706000001, false)"
    postgres.execute(undone, database=database)
    assert "20260706000001" in migrate(postgres, database)
    assert postgres.rows("SELECT to_regclass('flows_v3_idx_ts_flow_desc') IS NULL", database=database) == [(False,)]


def test_check_changes_nothing(postgres: PostgresServer, new_database: NewDatabase) -> None:
    database = new_database()
    check = run_command("check", MF_METADATA_DB_DSN=postgres.dsn(database))
    assert check.returncode == 1 and "version 1 (tables)" in check.stdout
    assert schema(postgres, database) == []
    migrate(postgres, database)
    check = run_command("check", MF_METADATA_DB_DSN=postgres.dsn(database))
    assert (check.returncode, check.stdout) == (0, "The schema is up to date.\n")


@pytest.mark.parametrize(("child", "parent"), [("steps_v3", "runs_v3"), ("tasks_v3", "steps_v3")])
def test_a_row_that_is_being_written_and_the_migration_do_not_wait_for_each_other(
    postgres: PostgresServer, new_database: NewDatabase, child: str, parent: str
) -> None:
    database = new_database()
    bring_to(postgres, database, VERSIONS[0])
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"

    def look() -> str | None:
        return None if postgres.rows(waiting, database=database) == [(1,)] else "the migration does not wait"

    # What one INSERT locks, halted between its own table and the one that its foreign key is looked up in.
    with ThreadPoolExecutor(1) as pool, postgres.connect(database) as writer:
        writer.execute("BEGIN")
        writer.execute(f"LOCK TABLE {child} IN ROW EXCLUSIVE MODE")
        migration = pool.submit(migrate, postgres, database)
        eventually(look, within=60)
        writer.execute(f"LOCK TABLE {parent} IN ROW SHARE MODE")
        writer.execute("COMMIT")
        migration.result()
    assert [version for (version,) in postgres.rows(_APPLIED, database=database)] == [0, *VERSIONS]


@pytest.mark.parametrize(
    ("version", "count"),
    [(20210202145952, 1000), *(pytest.param(version, 100_000, marks=pytest.mark.long) for version in VERSIONS)],
)
def test_writes_of_an_older_replica_go_on(
    postgres: PostgresServer, new_database: NewDatabase, version: int, count: int
) -> None:
    """Written as upstream's service of that version writes; it runs beside the migration until it is replaced."""
    database = new_database()
    bring_to(postgres, database, version)
    add_old_runs(postgres, database, count)
    ended = threading.Event()

    def write() -> int:
        written = 0
        with postgres.connect(database) as connection:
            while not ended.is_set():
                (run,) = connection.execute(
                    "INSERT INTO runs_v3 (flow_id, ts_epoch, tags, system_tags) VALUES ('Old', 2, '[]', '[]')"
                    " RETURNING run_number"
                ).fetchone() or (0,)
                for statement in (
                    "INSERT INTO steps_v3 (flow_id, run_number, step_name, ts_epoch) VALUES ('Old', %s, 'start', 3)",
                    "INSERT INTO tasks_v3 (flow_id, run_number, step_name, ts_epoch) VALUES ('Old', %s, 'start', 4)",
                    "INSERT INTO metadata_v3"
                    " (flow_id, run_number, step_name, task_id, field_name, value, type, ts_epoch)"
                    " VALUES ('Old', %s, 'start', 1, 'x', 'y', 'x', 5)",
                    "INSERT INTO artifact_v3"
                    " (flow_id, run_number, step_name, task_id, name, location, ds_type, attempt_id, ts_epoch)"
                    " VALUES ('Old', %s, 'start', 1, 'name', 'l', 's3', 0, 6)",
                ):
                    connection.execute(statement, [run])
                written += 1
        return written

    with ThreadPoolExecutor(1) as pool:
        writer = pool.submit(write)
        migrate(postgres, database)
        ended.set()
        written = writer.result()
    assert written > 0
    found = count_rows(postgres, database)
    assert found == dict.fromkeys(found, count + written) | {"flows_v3": 1}
