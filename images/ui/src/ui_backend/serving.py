"""Runs the backend, alone or beside the metadata service."""

from __future__ import annotations

import contextlib
import logging

from metadata_service.server import Beside, Door, listen, serve_until_told
from ui_backend.api.application import application
from ui_backend.datastore.roots import Datastore
from ui_backend.live import Live
from ui_backend.reading.ages import Ages
from ui_backend.reading.databases import open_database
from ui_backend.reading.store import Reading
from ui_backend.settings import Settings

log = logging.getLogger(__name__)

_GRACE_SECONDS = 4
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


async def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT; requests that are under way then have a few seconds to be answered.

    The port is served at once, whether the database is there or not. Raises WrongSettings when it cannot be, and
    StorageAway for a file of SQLite that cannot be used.
    """
    made = make(settings)
    async with contextlib.AsyncExitStack() as ends:
        ends.push_async_callback(made.close)
        log.info("serving on %s:%d, database %s", settings.host, settings.port, settings.database.address)
        await serve_until_told([made.door], made.keepers, _GRACE_SECONDS)


def make(settings: Settings) -> Beside:
    """All that serving takes. Raises WrongSettings when the port cannot be had."""
    listener = listen(settings.host, settings.port, "MF_UI_METADATA_PORT")
    database = open_database(settings.database)
    datastore = Datastore(settings.datastore)
    reading = Reading.of(database, Ages(settings.database.run_cutoff_seconds, settings.old_ms // 1000))
    live = Live(reading.changes)

    async def close() -> None:
        datastore.close()
        await database.close()

    hosts = _LOOPBACK if settings.host in _LOOPBACK else ()
    app = application(reading, datastore, live, settings.access, hosts, settings.pages)
    door = Door(app, listener, websockets="wsproto", ending=live.end)
    return Beside(door, [database.keep, live.keep], close)
