"""Which store the settings mean."""

from __future__ import annotations

from typing import Protocol

from metadata_service.settings import DatabaseSettings, SqliteSettings
from metadata_service.storage.interface import Storage
from metadata_service.storage.postgres.store import PostgresStorage


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
