"""Which store the settings mean."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol

from metadata_service.domain.refusals import StorageAway
from metadata_service.settings import DatabaseSettings, SqliteSettings
from metadata_service.storage.interface import Storage
from metadata_service.storage.postgres.store import PostgresStorage

_READY_SECONDS = 10.0
_LOOK_AGAIN_SECONDS = 0.05


class KeptStorage(Storage, Protocol):
    """A store together with the care for it."""

    async def keep(self) -> None:
        """Make the store ready and keep it so. Ends only when cancelled."""

    async def close(self) -> None: ...


def open_storage(settings: DatabaseSettings | SqliteSettings) -> KeptStorage:
    """The store. It answers when its `keep` runs."""
    if isinstance(settings, DatabaseSettings):
        return PostgresStorage(settings)
    # Not imported with the service on PostgreSQL, which would only grow by it.
    from metadata_service.storage.sqlite.store import SqliteStorage

    return SqliteStorage(settings)


@asynccontextmanager
async def opened(settings: DatabaseSettings | SqliteSettings) -> AsyncIterator[KeptStorage]:
    """The store, ready for one piece of work. Raises StorageAway when it does not become so soon."""
    storage = open_storage(settings)
    keeper = asyncio.create_task(storage.keep())
    try:
        await _ready(storage, keeper)
        yield storage
    finally:
        keeper.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await keeper
        await storage.close()


async def _ready(storage: KeptStorage, keeper: asyncio.Task[None]) -> None:
    last = asyncio.get_running_loop().time() + _READY_SECONDS
    while True:
        try:
            await storage.ask()
            return
        except StorageAway:
            if keeper.done() or asyncio.get_running_loop().time() > last:
                raise
        await asyncio.wait({keeper}, timeout=_LOOK_AGAIN_SECONDS)
