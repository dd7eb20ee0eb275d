"""What changes, over websockets: the log of changes with its cursor, for our pages.

Messages are objects. `cursor` says what the client knows now. `changes` is what happened since the last message;
`reset` says that more has happened than these, so that all must be fetched anew. The first message comes at once, with
nothing but the cursor when none was given in `since`. Whoever fetches after the first message, and again what a later
one names, is at the state of the database; whoever comes back with its last cursor goes on where it was. `__ping__` is
answered by `__pong__`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any

import msgspec
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from metadata_service.api.access import REMEMBERED_SECONDS
from metadata_service.domain.refusals import Forbidden, StorageAway, TooOften, Unknown
from metadata_service.domain.tokens import Grant
from ui_backend.api import subscribing
from ui_backend.api.admitting import admit_socket, reached
from ui_backend.api.guarding import FORBIDDEN
from ui_backend.live import Listener, Live
from ui_backend.reading.changes import Batch, Change

TRY_AGAIN = 1013
COME_BACK = 1012
"""The codes with which a socket is closed: the database is away; this process ends."""

PING, PONG = "__ping__", "__pong__"

_SAY_SOMETHING_SECONDS = 20.0

_REFUSED = (Unknown, Forbidden, TooOften)
_ENDS = (WebSocketDisconnect, StorageAway, *_REFUSED)

Told = Callable[[WebSocket, Listener], Awaitable[None]]


async def changes(socket: WebSocket) -> None:
    """All changes, or with `flow_id` and `run_number` those of a flow or a run."""
    live: Live = socket.app.state.live
    query, allowed = socket.query_params, Allowed(socket)
    flow, run = query.get("flow_id"), query.get("run_number")

    async def say(batch: Batch) -> None:
        about = await allowed.reached(
            change
            for change in batch.changes
            if flow in (None, change.flow_id) and run in (None, str(change.run_number))
        )
        message = {"cursor": batch.cursor, **({"changes": about} if about else {})}
        await socket.send_text(msgspec.json.encode({**message, **({"reset": True} if batch.reset else {})}).decode())

    async def tell(listener: Listener) -> None:
        since = query.get("since", "")
        missed = await live.changes.after(since)
        silent = await live.changes.silent(since) if since and not missed.reset else ()
        await say(Batch(missed.cursor, (*missed.changes, *silent), missed.reset and bool(since)))
        cursor = missed.cursor
        while True:
            try:
                batch = await asyncio.wait_for(listener.get(), _SAY_SOMETHING_SECONDS)
            except asyncio.TimeoutError:
                batch = Batch(cursor)
            if batch is None:
                return
            cursor = batch.cursor
            await say(batch)

    async def hear(_: Listener) -> None:
        while True:
            if await socket.receive_text() == PING:
                await socket.send_text(PONG)

    await talk(socket, live, allowed, hear, tell)


async def upstream(socket: WebSocket) -> None:
    """Upstream's dialect: objects of the resources that the client subscribes to, whole, whenever they change."""
    live: Live = socket.app.state.live
    allowed = Allowed(socket)
    subscriptions = subscribing.Subscriptions(socket, allowed.reached)

    async def hear(_: Listener) -> None:
        while True:
            text = await socket.receive_text()
            if text == PING:
                await socket.send_text(PONG)
            else:
                await subscriptions.hear(text, live.changes)

    async def tell(listener: Listener) -> None:
        while (batch := await listener.get()) is not None:
            await subscriptions.tell(batch.changes)

    await talk(socket, live, allowed, hear, tell)


class Allowed:
    """What whoever opened a socket may be told, asked anew as often as a token is."""

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket
        self._asked = 0.0
        self._grant: Grant | None = None

    async def grant(self) -> Grant:
        """Raises Unknown and Forbidden when that is nothing, any more."""
        now = asyncio.get_running_loop().time()
        if self._grant is None or now - self._asked > REMEMBERED_SECONDS:
            self._grant, self._asked = await admit_socket(self._socket), now
        return self._grant

    async def reached(self, changes: Iterable[Change]) -> list[Change]:
        return await reached(self._socket, await self.grant(), list(changes))


async def talk(
    socket: WebSocket,
    live: Live,
    allowed: Allowed,
    hear: Callable[[Listener], Coroutine[Any, Any, None]],
    tell: Callable[[Listener], Coroutine[Any, Any, None]],
) -> None:
    """Hear and tell until the client goes or may not listen, this process ends, or the database is away."""
    try:
        await allowed.grant()
    except _REFUSED:
        await socket.close(FORBIDDEN)
        return
    except StorageAway:
        await socket.accept()
        await socket.close(TRY_AGAIN)
        return
    await socket.accept()
    async with live.listen() as listener:
        tasks = {asyncio.create_task(hear(listener)), asyncio.create_task(tell(listener))}
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    # Both may have met their end at the same moment, each its own.
    ends = [task.exception() for task in tasks if not task.cancelled()]
    for end in ends:
        if end is not None and not isinstance(end, _ENDS):
            raise end
    if any(isinstance(end, WebSocketDisconnect) for end in ends):
        return
    refused = any(isinstance(end, _REFUSED) for end in ends)
    await _close(socket, FORBIDDEN if refused else TRY_AGAIN if any(ends) else COME_BACK)


async def _close(socket: WebSocket, code: int) -> None:
    # The client may have gone at the same moment.
    with contextlib.suppress(RuntimeError, WebSocketDisconnect):
        await socket.close(code)


ROUTES: list[Route | WebSocketRoute] = [WebSocketRoute("/changes", changes), WebSocketRoute("/ws", upstream)]
