"""A backend on each store, in this process and with a clock that stands still."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest
from metadata_testbed.postgres import PostgresServer
from metadata_testbed.service import run_command
from ui_demo.tables import Rows, write

from metadata_service.settings import Settings
from ui_backend.api.application import application
from ui_backend.datastore.roots import Datastore, DatastoreSettings
from ui_backend.live import Live
from ui_backend.reading.ages import Ages
from ui_backend.reading.databases import open_database
from ui_backend.reading.store import Reading

T = TypeVar("T")

NOW = 1_764_115_200_000

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    server = PostgresServer()
    server.start()
    yield server
    server.remove()


@pytest.fixture(scope="session")
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """A loop in a thread of its own."""
    running = asyncio.new_event_loop()
    thread = threading.Thread(target=running.run_forever)
    thread.start()
    yield running
    running.call_soon_threadsafe(running.stop)
    thread.join()
    running.close()


@dataclass
class Ui:
    """A backend and the database under it."""

    target: str | Path
    loop: asyncio.AbstractEventLoop
    http: httpx.AsyncClient
    reading: Reading

    def write(self, rows: Rows) -> None:
        write(self.target, rows)

    def fetch(self, path: str, query: dict[str, str] | None = None) -> httpx.Response:
        asked = self.http.get("/api" + path, params=query)
        return asyncio.run_coroutine_threadsafe(asked, self.loop).result(60)

    def ask(
        self, method: str, path: str, body: object = None, status: int = 200, headers: dict[str, str] | None = None
    ) -> httpx.Response:
        """An answer to a request as our pages make it, or as the headers say."""
        headers = {"X-Tributary-Page": "1"} if headers is None else headers
        asked = self.http.request(method, "/api" + path, json=body, headers=headers)
        response = asyncio.run_coroutine_threadsafe(asked, self.loop).result(60)
        assert response.status_code == status, response.text
        return response

    def get(self, path: str, query: dict[str, str] | None = None, status: int = 200) -> Any:
        """The data, or the body of an error."""
        response = self.fetch(path, query)
        assert response.status_code == status, response.text
        body = response.json()
        return body["data"] if status == 200 else body

    def ask_reading(self, ask: Callable[[Reading], Coroutine[Any, Any, T]]) -> T:
        """What a question to the database gives."""
        return asyncio.run_coroutine_threadsafe(ask(self.reading), self.loop).result(60)

    def all(self, path: str, limit: int = 1000, query: dict[str, str] | None = None) -> list[Any]:
        """All pages of a list, by the numbers that the answers give."""
        found, page = [], 1
        while True:
            body = self.fetch(path, {**(query or {}), "_limit": str(limit), "_page": str(page)}).json()
            found += body["data"]
            assert len(body["data"]) <= limit
            if body["pages"]["next"] is None:
                return found
            page = body["pages"]["next"]


@pytest.fixture(scope="session", params=["postgres", "sqlite"])
def new_ui(
    request: pytest.FixtureRequest, loop: asyncio.AbstractEventLoop, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., Ui]]:
    """Makes an empty database and a backend on it, which reads no datastore or those of the settings.

    Further settings are those of access.
    """
    opened: list[Callable[[], None]] = []

    def make(datastore: DatastoreSettings | None = None, **access: str) -> Ui:
        target: str | Path
        if request.param == "sqlite":
            target = tmp_path_factory.mktemp("store") / "metadata.db"
            settings = {"MF_METADATA_DB_FILE": str(target)}
        else:
            postgres: PostgresServer = request.getfixturevalue("postgres")
            target = postgres.create_database(f"ui{next(_numbers)}")
            settings = {"MF_METADATA_DB_DSN": target}
        done = run_command("migrate", **settings)
        assert done.returncode == 0, done.stderr
        of_service = Settings.from_environ({**settings, **access})
        database = open_database(of_service.database)
        store = Datastore(datastore or DatastoreSettings())
        reading = Reading.of(database, Ages(now_ms=lambda: NOW))
        transport = httpx.ASGITransport(application(reading, store, Live(reading.changes), of_service.access))

        async def begin() -> asyncio.Task[None]:
            keeper = asyncio.create_task(database.keep())
            while True:
                answer = await client.get("/api/readyz")
                if answer.status_code == 200:
                    return keeper
                assert not keeper.done(), answer.text
                await asyncio.wait({keeper}, timeout=0.05)

        async def end(keeper: asyncio.Task[None]) -> None:
            keeper.cancel()
            await asyncio.wait({keeper})
            await client.aclose()
            store.close()
            await database.close()

        client = httpx.AsyncClient(transport=transport, base_url="http://ui.example")
        keeper = asyncio.run_coroutine_threadsafe(begin(), loop).result(60)
        opened.append(lambda: asyncio.run_coroutine_threadsafe(end(keeper), loop).result(60))
        return Ui(target, loop, client, reading)

    yield make
    for close in opened:
        close()


@pytest.fixture
def ui(new_ui: Callable[..., Ui]) -> Ui:
    """A backend on an empty database."""
    return new_ui()
