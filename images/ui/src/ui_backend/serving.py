"""Runs the backend: the HTTP server, and the keeper of the database's connections, side by side."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket

import uvicorn

from metadata_service.settings import WrongSettings
from ui_backend.api.application import application
from ui_backend.datastore.roots import Datastore
from ui_backend.reading.ages import Ages
from ui_backend.reading.databases import open_database
from ui_backend.reading.store import Reading
from ui_backend.settings import Settings

log = logging.getLogger(__name__)

_GRACE_SECONDS = 4


async def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT; requests that are under way then have a few seconds to be answered.

    The port is served at once, whether the database is there or not. Raises WrongSettings when it cannot be, and
    StorageAway for a file of SQLite that cannot be used.
    """
    listener = _listen(settings)
    database = open_database(settings.database)
    datastore = Datastore(settings.datastore)
    ages = Ages(settings.database.run_cutoff_seconds, settings.old_ms // 1000)
    config = uvicorn.Config(
        application(Reading.of(database, ages), datastore),
        log_config=None,
        access_log=False,
        lifespan="off",
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )
    server = uvicorn.Server(config)
    loop = asyncio.get_running_loop()
    # The server raises the signal again at its end, and without these the process would die of it uncleaned.
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, server.handle_exit, number, None)
    log.info("serving on %s:%d, database %s", settings.host, settings.port, settings.database.address)
    keeper = asyncio.create_task(database.keep())
    serving = asyncio.create_task(server.serve([listener]))
    await asyncio.wait({keeper, serving}, return_when=asyncio.FIRST_COMPLETED)
    server.should_exit = True
    await serving
    keeper.cancel()
    try:
        with contextlib.suppress(asyncio.CancelledError):
            await keeper
    finally:
        datastore.close()
        await database.close()


def _listen(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    # The protocol is named, because asyncio turns Nagle's delay off only for sockets that name it.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
    except OSError as error:
        listener.close()
        problem = f"cannot listen on {settings.host}:{settings.port}: {error.strerror}. Choose another or free it."
        raise WrongSettings([f"MF_UI_METADATA_PORT: {problem}"]) from error
    return listener
