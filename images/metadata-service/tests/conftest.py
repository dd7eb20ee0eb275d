"""One database server and one service a store for all tests that need them; tests keep apart by flows of their own."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from metadata_testbed.api import Api
from metadata_testbed.postgres import PostgresServer
from metadata_testbed.service import Service, run_command
from metadata_testbed.stores import PostgresStore, SqliteStore, Store

SHARED = "shared"

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    server = PostgresServer()
    server.start()
    yield server
    server.remove()


@pytest.fixture
def own_postgres() -> Iterator[PostgresServer]:
    """A server that the test may kill."""
    server = PostgresServer()
    server.start()
    yield server
    server.remove()


@pytest.fixture
def new_database(postgres: PostgresServer) -> Callable[[], str]:
    """Makes an empty database; gives its name."""

    def make() -> str:
        name = f"test{next(_numbers)}"
        postgres.create_database(name)
        return name

    return make


@pytest.fixture(scope="session")
def shared_database(postgres: PostgresServer) -> str:
    """A database with today's schema, for all tests that only make objects in it."""
    dsn = postgres.create_database(SHARED)
    done = run_command("migrate", MF_METADATA_DB_DSN=dsn)
    assert done.returncode == 0, done.stderr
    return SHARED


@dataclass(frozen=True)
class Setting:
    """A store under a service, and the time zone of both."""

    store: str
    zone: str


# The database's own zone is another one still.
_DATABASE_ZONE = "Asia/Kathmandu"

_SETTINGS = {
    "postgres": Setting("postgres", "UTC"),
    "sqlite": Setting("sqlite", "America/New_York"),
    "postgres-elsewhere": Setting("postgres", "America/New_York"),
    "sqlite-utc": Setting("sqlite", "UTC"),
}


@pytest.fixture(
    scope="session",
    params=[
        "postgres",
        "sqlite",
        pytest.param("postgres-elsewhere", marks=pytest.mark.long),
        pytest.param("sqlite-utc", marks=pytest.mark.long),
    ],
)
def setting(request: pytest.FixtureRequest) -> Setting:
    """All that the API does is the same on all of these."""
    return _SETTINGS[request.param]


@pytest.fixture(scope="session")
def store(setting: Setting, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Store:
    if setting.store == "sqlite":
        return SqliteStore(tmp_path_factory.mktemp("store") / "metadata.db")
    postgres: PostgresServer = request.getfixturevalue("postgres")
    if setting.zone == "UTC":
        return PostgresStore(postgres, request.getfixturevalue("shared_database"))
    postgres.create_database("elsewhere")
    postgres.execute(f"ALTER DATABASE elsewhere SET timezone = '{_DATABASE_ZONE}'")
    return PostgresStore(postgres, "elsewhere")


@pytest.fixture(scope="session")
def service(setting: Setting, store: Store, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    running = Service(tmp_path_factory.mktemp("service") / "log", store.address, TZ=setting.zone)
    running.wait_until()
    yield running
    assert running.end() == 0
    assert [line for line in running.log_lines() if "traceback" in line] == []


@pytest.fixture(scope="session")
def api(service: Service) -> Iterator[Api]:
    client = Api(service.url)
    yield client
    client.http.close()


@pytest.fixture
def start_service(tmp_path: Path) -> Iterator[Callable[..., Service]]:
    """Starts a service of the test's own, which is ended with the test. Arguments are those of Service but the log."""
    started: list[Service] = []

    def start(database: str | Path, port: int = 0, **settings: str) -> Service:
        started.append(Service(tmp_path / f"service{len(started)}.log", database, port, **settings))
        return started[-1]

    yield start
    for running in started:
        if running.process.poll() is None:
            running.kill()


@pytest.fixture
def open_api() -> Iterator[Callable[[Service], Api]]:
    """Makes a client of a service of the test's own."""
    with contextlib.ExitStack() as opened:

        def make(running: Service) -> Api:
            client = Api(running.url)
            opened.enter_context(client.http)
            return client

        yield make
