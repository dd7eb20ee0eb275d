"""The database's image: a new volume becomes a database, and what is on a volume is never lost."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from images.tests.conftest import Container, Images

pytestmark = pytest.mark.slow

DATA = "/var/lib/postgresql/data"
PASSWORD = 'it\'s "odd" \\ $HOME'
ACCOUNT = {"POSTGRES_USER": "keeper", "POSTGRES_DB": "runs"}
STARTS_WITHIN = 300.0
Start = Callable[..., "Container"]


@pytest.fixture
def start(images: Images, volume: Path, wait_for: Callable[..., None]) -> Start:
    """Start a database on the test's volume, and wait until it listens unless told not to."""

    def started(password: str = PASSWORD, *, wait: bool = True, command: tuple[str, ...] = ()) -> Container:
        environment = ACCOUNT | {"POSTGRES_PASSWORD": password}
        container = images.start("database", *command, environment=environment, volumes={volume: DATA})
        if wait:
            wait_for(lambda: listens(container), within=STARTS_WITHIN)
        return container

    return started


def listens(database: Container) -> bool:
    assert database.is_running(), database.log()
    return database.answers("pg_isready", "--quiet", "--host=127.0.0.1")


def login(password: str) -> list[str]:
    """The start of a command that asks the database as its owner, over the network's door."""
    return [
        "env", f"PGPASSWORD={password}", "psql", "--no-psqlrc", "--quiet", "--tuples-only", "--no-align",
        "--host=127.0.0.1", "--username=keeper", "--dbname=runs", "--command",
    ]  # fmt: skip


def sql(database: Container, text: str, password: str = PASSWORD) -> str:
    return database.run(*login(password), text).strip()


def test_a_restart_keeps_the_data(start: Start) -> None:
    first = start()
    sql(first, "CREATE TABLE fish (name text); INSERT INTO fish VALUES ('bream')")
    first.stop()
    assert "database system is shut down" in first.log()
    assert sql(start(), "SELECT name FROM fish") == "bream"


def test_a_killed_server_comes_back_with_its_data(start: Start) -> None:
    first = start()
    sql(first, "CREATE TABLE fish (name text); INSERT INTO fish VALUES ('bream')")
    first.stop("KILL")
    assert sql(start(), "SELECT name FROM fish") == "bream"


def test_it_ends_by_itself_while_a_session_is_open(start: Start) -> None:
    database = start()
    database.run("bash", "-c", 'psql --username=postgres --command "SELECT pg_sleep(600)" >/dev/null 2>&1 &')
    database.stop()
    assert "received fast shutdown request" in database.log()
    assert database.exit_code() == 0, database.log()


def test_an_orphan_that_fails_ends_no_session(start: Start, wait_for: Callable[..., None]) -> None:
    database = start()
    client = "psql --username=postgres --command 'SELECT pg_sleep(600)' >/dev/null 2>&1 & echo $!"
    orphan = database.run("bash", "-c", client).strip()
    wait_for(lambda: sleepers(database) == "1", within=20)
    database.run("bash", "-c", f"kill -KILL {orphan}")
    wait_for(lambda: not database.answers("test", "-e", f"/proc/{orphan}"), within=20)
    assert sleepers(database) == "1"


def sleepers(database: Container) -> str:
    question = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%'"
    return database.run("psql", "--username=postgres", "--tuples-only", "--no-align", "--command", question).strip()


def test_what_was_cut_off_while_it_was_made_is_made_anew(start: Start, volume: Path) -> None:
    half = volume / "pgdata.new"
    half.mkdir()
    (half / "PG_VERSION").write_text("15\n")
    half.chmod(0o777)
    assert sql(start(), "SELECT current_user") == "keeper"
    assert not half.exists()


def test_killed_at_its_first_start_it_still_becomes_a_database(
    start: Start, volume: Path, wait_for: Callable[..., None]
) -> None:
    first = start(wait=False)
    wait_for(lambda: (volume / "pgdata.new").exists(), within=60)
    first.stop("KILL")
    assert sql(start(), "SELECT current_database()") == "runs"


def test_foreign_files_are_refused_and_left_alone(start: Start, volume: Path) -> None:
    (volume / "pgdata").mkdir()
    (volume / "pgdata" / "letter").write_text("dear")
    database = start(wait=False)
    assert database.exit_code() == 2
    assert "holds files but no database" in database.log()
    assert (volume / "pgdata" / "letter").read_text() == "dear"


def test_another_major_version_s_data_is_refused(start: Start, volume: Path) -> None:
    (volume / "pgdata").mkdir()
    (volume / "pgdata" / "PG_VERSION").write_text("14\n")
    database = start(wait=False)
    assert database.exit_code() == 2
    assert "was written by PostgreSQL 14 and this is 15" in database.log()


def test_a_second_server_on_the_volume_waits_for_the_first(start: Start, wait_for: Callable[..., None]) -> None:
    first = start()
    second = start(wait=False)
    sql(first, "CREATE TABLE fish (name text)")
    assert not listens(second)
    first.stop()
    wait_for(lambda: listens(second), within=STARTS_WITHIN)
    assert sql(second, "SELECT count(*) FROM fish") == "0"


def test_a_changed_password_holds_from_the_next_start(start: Start) -> None:
    start().stop()
    database = start("another")
    assert sql(database, "SELECT 1", "another") == "1"
    assert "authentication failed" in database.fails(*login(PASSWORD), "SELECT 1")


def test_the_password_shows_nowhere(start: Start, volume: Path) -> None:
    secret = "whitebait-7731"
    database = start(secret)
    assert secret not in database.log()
    processes = database.run("bash", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '")
    assert "postgres" in processes
    assert secret not in processes
    assert "SCRAM-SHA-256" in database.run(
        "psql", "--username=postgres", "--command", "SELECT rolpassword FROM pg_authid WHERE rolname = 'keeper'"
    )
    assert not [path for path in volume.rglob("*") if path.is_file() and secret.encode() in path.read_bytes()]


def test_the_owner_of_the_database_is_no_administrator(start: Start) -> None:
    database = start()
    assert (
        sql(database, "SELECT rolsuper OR rolcreaterole OR rolcreatedb FROM pg_roles WHERE rolname = 'keeper'") == "f"
    )
    assert sql(database, "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'runs'") == "keeper"


def test_the_administrator_has_no_door_to_the_network(start: Start) -> None:
    said = start().fails("env", "PGPASSWORD=", "psql", "--host=127.0.0.1", "--username=postgres", "--command=SELECT 1")
    assert "no password supplied" in said or "authentication failed" in said


def test_arguments_reach_the_server(start: Start) -> None:
    database = start(command=("postgres", "-c", "max_connections=17"))
    assert sql(database, "SHOW max_connections") == "17"
    assert sql(database, "SHOW timezone") == "UTC"


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"POSTGRES_USER": "keeper"}, "no password is given"),
        ({"POSTGRES_PASSWORD": "x"}, "POSTGRES_USER is not set"),
        ({"POSTGRES_PASSWORD": "x", "POSTGRES_USER": "postgres"}, "the administrator"),
        ({"POSTGRES_PASSWORD": "x\ny", "POSTGRES_USER": "keeper"}, "more than one line"),
        ({"POSTGRES_PASSWORD_FILE": "/run/nothing", "POSTGRES_USER": "keeper"}, "/run/nothing cannot be read"),
    ],
)
def test_what_does_not_fit_is_refused(images: Images, volume: Path, environment: dict[str, str], said: str) -> None:
    database = images.start("database", environment=environment, volumes={volume: DATA})
    assert database.exit_code() == 2
    assert said in database.log()
    assert list(volume.iterdir()) == []


def test_a_password_may_come_from_a_file(
    images: Images, volume: Path, tmp_path: Path, wait_for: Callable[..., None]
) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "password").write_text("from a file\n")
    environment = ACCOUNT | {"POSTGRES_PASSWORD_FILE": "/run/secrets/database/password"}
    database = images.start(
        "database", environment=environment, volumes={volume: DATA, secret: "/run/secrets/database"}
    )
    wait_for(lambda: listens(database), within=STARTS_WITHIN)
    assert sql(database, "SELECT 1", "from a file") == "1"
