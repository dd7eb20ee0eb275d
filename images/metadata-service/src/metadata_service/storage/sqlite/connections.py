"""One writer and a few readers on one file, all in threads.

SQLite lets one connection write at a time, and writing to the disk takes most of a write. So the writes that came while
the last ones were being stored are stored together, in one transaction: each is whole or not at all for itself, and
none is answered before the disk has it.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from metadata_service.domain.refusals import Refusal, StorageAway, StorageBusy
from metadata_service.settings import SqliteSettings
from metadata_service.storage.sqlite.likeness import ilike
from metadata_service.storage.sqlite.schema import migrate
from metadata_service.storage.sqlite.translation import meaning, translated

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]

_READERS = 4
_LOCKED_SECONDS = 5.0
_MAX_TOGETHER = 256
_MAX_WAITING = 2000
_STEPS_BETWEEN_LOOKS = 100_000
_INTERRUPT_SECONDS = 0.05


@dataclass
class _Write:
    work: Work[Any]
    answer: asyncio.Future[Any]


class Connections:
    """The connections to one file. `open` must have returned before anything else is asked."""

    def __init__(self, settings: SqliteSettings) -> None:
        self._settings = settings
        self._writing = ThreadPoolExecutor(1, "sqlite-writer")
        self._reading = ThreadPoolExecutor(_READERS, "sqlite-reader")
        self._writer: sqlite3.Connection | None = None
        self._idle: list[sqlite3.Connection] = []
        self._waiting: list[_Write] = []
        self._drain: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Open the file, and make or update its tables. Raises StorageAway where that cannot be done."""
        loop = asyncio.get_running_loop()
        with translated():
            self._writer = await loop.run_in_executor(self._writing, open_for_writing, self._settings)

    async def close(self) -> None:
        """Store what is waiting, and close the file."""
        while self._drain is not None:
            await asyncio.wait({self._drain})
        self._writing.shutdown()
        self._reading.shutdown()
        for connection in (*self._idle, self._writer):
            if connection is not None:
                connection.close()

    def load(self) -> dict[str, float]:
        """The connections that only read, those that are idle, and the writes that wait."""
        return {"connections": _READERS, "idle": len(self._idle), "waiting": len(self._waiting)}

    async def write(self, work: Work[T]) -> T:
        """Do the work in a transaction; gives what it gives when that is on the disk.

        The work is undone when it raises. It may be called a second time, after a first one was undone.
        """
        if self._writer is None:
            raise StorageAway("The database file is not open yet.")
        if len(self._waiting) >= _MAX_WAITING:
            raise StorageBusy("Too many requests are waiting to be stored.")
        answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Write(work, answer))
        if self._drain is None:
            self._drain = asyncio.create_task(self._store_waiting())
        return await answer

    async def read(self, work: Work[T]) -> T:
        """Do the work on a connection that only reads."""
        async with self.reader() as connection:
            return await self.on_reader(work, connection)

    @asynccontextmanager
    async def reader(self) -> AsyncIterator[sqlite3.Connection]:
        """A connection that only reads, for several pieces of work."""
        if self._writer is None:
            raise StorageAway("The database file is not open yet.")
        connection = self._idle.pop() if self._idle else _connect(self._settings, read_only=True)
        try:
            yield connection
        finally:
            # Ends what a reader that was given up has begun: it would keep the log of writes from being worked off.
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            if len(self._idle) < _READERS:
                self._idle.append(connection)
            else:
                connection.close()

    async def on_reader(self, work: Work[T], connection: sqlite3.Connection) -> T:
        """Do the work on this connection. It is ended when it takes too long, or is not waited for any more.

        Returns or raises only when no thread uses the connection: another one beside it would end the process.
        """
        begun = self._reading.submit(_bounded, work, connection, self._settings.statement_seconds)
        with translated():
            try:
                return await asyncio.wrap_future(begun)
            finally:
                if not begun.done():
                    await _given_up(begun, connection)

    async def _store_waiting(self) -> None:
        while self._waiting:
            writes, self._waiting = self._waiting[:_MAX_TOGETHER], self._waiting[_MAX_TOGETHER:]
            failed = await self._in_writer(writes, [write.work for write in writes])
            if failed is None:
                continue
            reason = meaning(failed) if isinstance(failed, sqlite3.Error) else None
            if isinstance(reason, StorageAway):
                for write in writes:
                    _give(write, reason)
                continue
            # One of them is at fault, by a bug of ours or a value that SQLite refuses. Alone, each tells for itself.
            for write in writes:
                failed = await self._in_writer([write], [write.work])
                if failed is not None:
                    _give(write, meaning(failed) or failed if isinstance(failed, sqlite3.Error) else failed)
        self._drain = None

    async def _in_writer(self, writes: Sequence[_Write], works: Sequence[Work[Any]]) -> BaseException | None:
        """Do all work in one transaction and answer each; gives what went wrong when nothing was stored."""
        assert self._writer is not None
        done = asyncio.get_running_loop().run_in_executor(self._writing, _together, self._writer, works)
        await asyncio.wait({done})
        if (failed := done.exception()) is not None:
            return failed
        for write, outcome in zip(writes, done.result(), strict=True):
            _give(write, outcome)
        return None


class Refused:
    """What a piece of work was refused with, on its way out of the writer's thread."""

    def __init__(self, reason: Refusal) -> None:
        self.reason = reason


def open_for_writing(settings: SqliteSettings) -> sqlite3.Connection:
    """A connection that writes, to a file with today's tables. Raises sqlite3.Error and StorageAway."""
    settings.file.parent.mkdir(parents=True, exist_ok=True)
    connection = _connect(settings, read_only=False)
    # Readers and the writer do not wait for each other; and after a crash of the machine, not only of this process,
    # every write that was answered is there.
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    migrate(connection)
    return connection


def _connect(settings: SqliteSettings, *, read_only: bool) -> sqlite3.Connection:
    with translated():
        connection = sqlite3.connect(
            settings.file, timeout=_LOCKED_SECONDS, isolation_level=None, check_same_thread=False
        )
        connection.execute(f"PRAGMA query_only = {int(read_only)}")
    connection.create_function("ilike", 2, ilike, deterministic=True)
    return connection


def _bounded(work: Work[T], connection: sqlite3.Connection, seconds: float) -> T:
    deadline = time.monotonic() + seconds
    connection.set_progress_handler(lambda: time.monotonic() > deadline, _STEPS_BETWEEN_LOOKS)
    return work(connection)


async def _given_up(begun: Future[Any], connection: sqlite3.Connection) -> None:
    """Let the work end, however often this task is cancelled meanwhile. What it gives or raises is of no interest."""
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    begun.add_done_callback(lambda _: loop.call_soon_threadsafe(ended.set))
    while not begun.done():
        # Of no use before a statement has begun, so more than once.
        connection.interrupt()
        with contextlib.suppress(asyncio.CancelledError, asyncio.TimeoutError):
            await asyncio.wait_for(ended.wait(), _INTERRUPT_SECONDS)


def _together(connection: sqlite3.Connection, works: Sequence[Work[Any]]) -> list[Any]:
    """Do the work in one transaction; gives what each gave, or was refused with. Anything else undoes all."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        outcomes = [_apart(connection, work) for work in works]
        connection.execute("COMMIT")
    finally:
        # After some failures, of the disk for one, SQLite has done so itself.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
    return outcomes


def _apart(connection: sqlite3.Connection, work: Work[Any]) -> Any:
    connection.execute("SAVEPOINT apart")
    try:
        outcome = work(connection)
    except Refusal as reason:
        connection.execute("ROLLBACK TO apart")
        outcome = Refused(reason)
    connection.execute("RELEASE apart")
    return outcome


def _give(write: _Write, outcome: object) -> None:
    # Whoever asked may have hung up.
    if write.answer.done():
        return
    if isinstance(outcome, Refused):
        write.answer.set_exception(outcome.reason)
    elif isinstance(outcome, BaseException):
        write.answer.set_exception(outcome)
    else:
        write.answer.set_result(outcome)
