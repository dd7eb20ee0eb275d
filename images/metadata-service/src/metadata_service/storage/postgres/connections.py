"""The pool of connections, and what is known about the database behind it: here, or away and why."""

from __future__ import annotations

import asyncio
import logging
import select
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, TypeAlias

import msgspec
import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.types.json import set_json_loads
from psycopg_pool import AsyncConnectionPool

from metadata_service.domain.refusals import StorageAway, StorageBusy
from metadata_service.settings import DatabaseSettings
from metadata_service.storage.postgres.translation import one_line, translated

log = logging.getLogger(__name__)

Connection: TypeAlias = psycopg.AsyncConnection[psycopg.rows.TupleRow]

_LOOK_AGAIN_SECONDS = 1.0
_CONNECT_SECONDS = 5
_MAX_WAITING = 2000

# What a given DSN does not say itself. A peer that vanished without a word is noticed within half a minute.
_DEFAULTS = {
    "application_name": "metadata-service",
    "connect_timeout": str(_CONNECT_SECONDS),
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "30000",
}


class Connections:
    """A pool that says what is wrong.

    A request that finds the database away waits for it up to the configured time, so that a short restart of the
    database is not seen by clients at all. Then StorageAway is raised.
    """

    def __init__(self, settings: DatabaseSettings, meanwhile: str = "Requests are answered with 503") -> None:
        """`meanwhile` is what the log says of the time in which the database is away."""
        self._settings = settings
        self._meanwhile = meanwhile
        self._pool: AsyncConnectionPool[Connection] | None = None
        self._reason: str | None = "The database was not asked yet."
        self._lost = asyncio.Event()

    @asynccontextmanager
    async def connection(self, timeout: float | None = None) -> AsyncIterator[Connection]:
        """A connection in autocommit mode, for one request.

        Raises StorageAway when there is none within the timeout, and what the statements' errors mean.
        """
        if self._pool is None:
            raise StorageAway(self._reason or "The database was not asked yet.")
        try:
            with translated():
                connection = await self._living(self._pool, timeout or self._settings.timeout_seconds)
                try:
                    yield connection
                finally:
                    await self._pool.putconn(connection)
        except StorageBusy:
            raise
        except StorageAway as reason:
            self._away(str(reason))
            raise

    async def ask(self, timeout: float) -> None:
        """Return if the database answers a statement within the time. Raises StorageAway."""
        async with self.connection(timeout) as connection:
            await connection.execute("SELECT 1")
        self._here()

    def load(self) -> dict[str, float]:
        """The pool's connections, those that are idle, and the requests that wait for one."""
        stats = {} if self._pool is None else self._pool.get_stats()
        return {
            "connections": stats.get("pool_size", 0),
            "idle": stats.get("pool_available", 0),
            "waiting": stats.get("requests_waiting", 0),
        }

    async def keep(self, prepare: Callable[[Connection], Awaitable[object]]) -> None:
        """Connect, prepare the database once, and notice when it goes and comes. Ends only when cancelled.

        `prepare` gets a connection of its own. It is called again until it has returned once; what it raises of
        StorageAway is told meanwhile.
        """
        while not await self._prepared(prepare):
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)
        self._pool = AsyncConnectionPool(
            complete(self._settings),
            min_size=self._settings.pool_min,
            max_size=self._settings.pool_max,
            open=False,
            kwargs=_options(self._settings),
            configure=self._configure,
            timeout=self._settings.timeout_seconds,
            max_waiting=_MAX_WAITING,
            # Short, because the pool doubles its pauses, and would look again minutes after the database came back.
            # Asking, below, makes the pool try anew.
            reconnect_timeout=_LOOK_AGAIN_SECONDS,
        )
        await self._pool.open()
        self._here()
        while True:
            await self._lost.wait()
            await self._wait_for_return()

    @property
    def here(self) -> bool:
        """Whether the database answered when it was last asked."""
        return self._pool is not None and self._reason is None

    async def close(self) -> None:
        if self._pool is not None:
            await self._pool.close()

    async def _prepared(self, prepare: Callable[[Connection], Awaitable[object]]) -> bool:
        try:
            async with await connect(self._settings) as connection:
                await prepare(connection)
        except (psycopg.Error, StorageAway) as error:
            said = one_line(error) if isinstance(error, psycopg.Error) else str(error).rstrip(".")
            reason = f"The database is not ready: {said}."
            if reason != self._reason:
                # Another obstacle than before, which somebody who watches the log wants to see.
                self._lost.clear()
            self._away(reason)
            return False
        return True

    async def _wait_for_return(self) -> None:
        while self._lost.is_set():
            try:
                await self.ask(_LOOK_AGAIN_SECONDS)
            except StorageAway:
                await asyncio.sleep(_LOOK_AGAIN_SECONDS)

    async def _configure(self, connection: Connection) -> None:
        set_json_loads(msgspec.Raw, connection)
        if self._settings.shared_sessions:
            # It would be set for whoever gets the session next. The pooler, or the user's own settings, must say it.
            return
        await connection.execute(f"SET statement_timeout = {round(self._settings.statement_seconds * 1000)}")

    @staticmethod
    async def _living(pool: AsyncConnectionPool[Connection], timeout: float) -> Connection:
        """A connection that the server has not hung up on. A restart leaves the pool full of dead ones."""
        deadline = time.monotonic() + timeout
        while True:
            connection = await pool.getconn(timeout=max(0.0, deadline - time.monotonic()))
            if _alive(connection):
                return connection
            await connection.close()
            await pool.putconn(connection)

    def _away(self, reason: str) -> None:
        if not self._lost.is_set():
            log.warning("%s %s until it is back.", reason, self._meanwhile)
        self._reason = reason
        self._lost.set()

    def _here(self) -> None:
        if self._reason is not None:
            log.info("the database is here")
        self._reason = None
        self._lost.clear()


class Reading:
    """Where lists are read: from the replica as long as it answers, and from the database itself."""

    def __init__(self, database: Connections, replica: Connections | None) -> None:
        self._database, self._replica = database, replica

    def connection(self) -> AbstractAsyncContextManager[Connection]:
        """As that of Connections."""
        chosen = self._replica if self._replica is not None and self._replica.here else self._database
        return chosen.connection()


def complete(settings: DatabaseSettings) -> str:
    """The connection string, with what it does not say itself."""
    given = conninfo_to_dict(settings.conninfo)
    return make_conninfo(settings.conninfo, **{name: value for name, value in _DEFAULTS.items() if name not in given})


async def connect(settings: DatabaseSettings) -> Connection:
    """A connection in autocommit mode that belongs to no pool. Raises psycopg.Error."""
    return await psycopg.AsyncConnection.connect(complete(settings), **_options(settings))


def _options(settings: DatabaseSettings) -> dict[str, Any]:
    # A statement that was prepared in one session is not known to the next one that the pooler gives.
    return {"autocommit": True, **({"prepare_threshold": None} if settings.shared_sessions else {})}


def _alive(connection: Connection) -> bool:
    """Whether the server is still there, by a look at the socket: without a round trip."""
    if connection.closed:
        return False
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    try:
        # The first look may find the server's parting words, the second one the end.
        for _ in range(2):
            if not poll.poll(0):
                return True
            connection.pgconn.consume_input()
    except psycopg.OperationalError:
        return False
    return not poll.poll(0)
