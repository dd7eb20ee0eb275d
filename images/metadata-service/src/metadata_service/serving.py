"""Runs the service, alone or with what is served beside it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import Callable
from typing import TypeAlias

from metadata_service.api.application import application
from metadata_service.server import Beside, Door, listen, serve_until_told
from metadata_service.settings import Settings
from metadata_service.storage.opening import open_storage
from metadata_service.tracing import traced

log = logging.getLogger(__name__)

# Kubernetes kills 30 seconds after it asked for the end.
_GRACE_SECONDS = 25

Listening: TypeAlias = Callable[[int], None]
"""Is told the port as soon as it is served."""


async def serve(settings: Settings, listening: Listening | None = None, beside: Beside | None = None) -> None:
    """Serve until SIGTERM or SIGINT. Requests that are under way then are answered before this returns.

    The port is served at once, whether the database is there or not; `listening` is called with its number. Raises
    WrongSettings when it cannot be, StorageAway for a file of SQLite that cannot be used, and what the keeper fails
    with: otherwise it ends only by a bug.
    """
    listener = listen(settings.host, settings.port, "MF_METADATA_PORT")
    async with contextlib.AsyncExitStack() as ends:
        storage = open_storage(settings.database)
        app, send_traces = traced(application(storage, settings.limits, settings.access), os.environ)
        # It may wait for a collector, so not on the loop.
        ends.push_async_callback(asyncio.to_thread, send_traces)
        ends.push_async_callback(storage.close)
        doors, keepers = [Door(app, listener)], [storage.keep]
        if beside is not None:
            ends.push_async_callback(beside.close)
            doors, keepers = [*doors, beside.door], [*keepers, *beside.keepers]
        if listening is not None:
            listening(doors[0].port)
        log.info("serving on %s:%d, database %s", settings.host, settings.port, settings.database.address)
        await serve_until_told(doors, keepers, _GRACE_SECONDS)
