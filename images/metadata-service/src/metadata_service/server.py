"""One process that serves HTTP until it is told to end: its ports, its signals, and what keeps its database.

Knows no application. The service's own is in serving.py, that of the UI in ui_backend.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import uvicorn
from starlette.types import ASGIApp

from metadata_service.settings import WrongSettings

# Longer than clients pause between two requests on a connection. A server that closes it meanwhile makes them fail.
_KEEP_ALIVE_SECONDS = 75

Keeper: TypeAlias = Callable[[], Coroutine[Any, Any, None]]
"""What works beside the requests. It ends only when it is cancelled, or by what it raises."""


def _nothing() -> None:
    """Nobody needs to hear of the end."""


@dataclass(frozen=True)
class Door:
    """An application, and the socket on which it is reached."""

    app: ASGIApp
    listener: socket.socket
    websockets: Literal["none", "wsproto"] = "none"
    ending: Callable[[], None] = _nothing
    """Called when the end begins: answers that would never end by themselves must end now."""

    @property
    def port(self) -> int:
        number: int = self.listener.getsockname()[1]
        return number


@dataclass(frozen=True)
class Beside:
    """What is served beside something else in one process."""

    door: Door
    keepers: Sequence[Keeper]
    close: Callable[[], Awaitable[None]]
    told: Sequence[str] = ()
    """What whoever started the process is told of it, in lines."""


def listen(host: str, port: int, setting: str) -> socket.socket:
    """A socket that listens there. Raises WrongSettings, in the name of the setting, when that cannot be."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol is named, because asyncio turns Nagle's delay of 40 ms off only for sockets that name it.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        problem = f"cannot listen on {host}:{port}: {error.strerror}. Choose another or free it."
        raise WrongSettings([f"{setting}: {problem}"]) from error
    return listener


async def serve_until_told(doors: Sequence[Door], keepers: Sequence[Keeper], grace_seconds: int) -> None:
    """Serve until SIGTERM or SIGINT. Requests that are under way then have the grace to be answered.

    Raises what a keeper fails with, which ends the process too.
    """
    servers = [_Server(door, grace_seconds) for door in doors]

    def end(number: signal.Signals) -> None:
        for server in servers:
            server.handle_exit(number, None)

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, end, number)
    keeping = [asyncio.create_task(keeper()) for keeper in keepers]
    serving = [asyncio.create_task(server.serve([door.listener])) for server, door in zip(servers, doors, strict=True)]
    await asyncio.wait({*keeping, *serving}, return_when=asyncio.FIRST_COMPLETED)
    for server in servers:
        server.should_exit = True
    await asyncio.gather(*serving)
    for task in keeping:
        task.cancel()
    await asyncio.wait(keeping)
    for task in keeping:
        with contextlib.suppress(asyncio.CancelledError):
            task.result()


class _Server(uvicorn.Server):
    """A server among several of a process."""

    def __init__(self, door: Door, grace_seconds: int) -> None:
        super().__init__(
            uvicorn.Config(
                door.app,
                log_config=None,
                access_log=False,
                lifespan="off",
                ws=door.websockets,
                server_header=False,
                # Who connects is who connects: what a client says of its own address opens nothing.
                proxy_headers=False,
                timeout_keep_alive=_KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=grace_seconds,
            )
        )
        self._ending = door.ending

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        # Signals are the whole process's, and each server would take them from the others.
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._ending()
        await super().shutdown(sockets)
