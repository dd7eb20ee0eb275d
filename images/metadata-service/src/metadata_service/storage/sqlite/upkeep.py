"""The state of a file while no service has it open."""

from __future__ import annotations

import contextlib
import sqlite3

from metadata_service.settings import SqliteSettings
from metadata_service.storage.sqlite.connections import open_for_writing
from metadata_service.storage.sqlite.schema import VERSION, version_of
from metadata_service.storage.sqlite.translation import translated


def bring_up_to_date(settings: SqliteSettings) -> bool:
    """Make the tables, or update them; whether there was anything to do. Raises StorageAway."""
    todo = pending(settings) is not None
    with translated():
        open_for_writing(settings).close()
    return todo


def pending(settings: SqliteSettings) -> str | None:
    """What is to be done until the file is up to date, or None. Changes nothing. Raises StorageAway."""
    if not settings.file.exists():
        return f"{settings.file} is made"
    uri = f"file:{settings.file.absolute().as_posix().replace('?', '%3f').replace('#', '%23')}?mode=ro"
    with translated(), contextlib.closing(sqlite3.connect(uri, uri=True)) as connection:
        version = version_of(connection)
    return None if version >= VERSION else f"version {version} becomes {VERSION}"
