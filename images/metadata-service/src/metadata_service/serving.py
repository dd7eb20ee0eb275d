"""Runs the service: the HTTP server, and the keeper of the database's connections, side by side."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
from collections.abc import Callable

import uvicorn

from metadata_service.api.application import application
from metadata_service.settings import Settings, WrongSettings
from metadata_service.storage.opening import open_storage
from metadata_service.tracing import traced

log = logging.getLogger(__name__)

# Longer than clients pause between two requests on a connection. A server that closes it meanwhile makes them fail.
_KEEP_ALIVE_SECONDS = 75

# Kubernetes kills 30 seconds after it asked for the end.
_GRACE_SECONDS = 25


async def serve(settings: Settings, listening: Callable[[int], None] | None = None) -> None:
    """Serve until SIGTERM or SIGINT. Requests that are under way then are answered before this returns.

    The port is served at once, whether the database is there or not; `listening` is called with its number. Raises
    WrongSettings when it cannot be, StorageAway for a file of SQLite that cannot be used, and what the keeper fails
    with: otherwise it ends only by a bug.
    """
    listener = _listen(settings)
    if listening is not None:
        listening(listener.getsockname()[1])
    storage = open_storage(settings.database)
    app, send_traces = traced(application(storage, settings.limits, settings.access), os.environ)
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        lifespan="off",
        server_header=False,
        # Who connects is who connects: what a client says of its own address opens nothing.
        proxy_headers=False,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )
    server = uvicorn.Server(config)
    loop = asyncio.get_running_loop()
    # The server has handlers of its own while it runs. At its end it raises the signal again, and without these the
    # process would die of it before it has cleaned up.
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, server.handle_exit, number, None)
    log.info("serving on %s:%d, database %s", settings.host, settings.port, settings.database.address)
    keeper = asyncio.create_task(storage.keep())
    serving = asyncio.create_task(server.serve([listener]))
    await asyncio.wait({keeper, serving}, return_when=asyncio.FIRST_COMPLETED)
    server.should_exit = True
    await serving
    keeper.cancel()
    try:
        with contextlib.suppress(asyncio.CancelledError):
            await keeper
    finally:
        await storage.close()
        # It may wait for a collector, so not on the loop.
        await asyncio.to_thread(send_traces)


def _listen(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    # The protocol is named, because asyncio turns Nagle's delay of 40 ms off only for sockets that name it.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
    except OSError as error:
        listener.close()
        problem = f"cannot listen on {settings.host}:{settings.port}: {error.strerror}. Choose another or free it."
        raise WrongSettings([f"MF_METADATA_PORT: {problem}"]) from error
    return listener
