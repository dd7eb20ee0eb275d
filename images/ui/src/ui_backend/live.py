"""Tells all clients of this process what changes, by one look into the log of changes for all of them.

The log is looked into four times a second while there are clients. That is a question of an empty range of an index,
needs no connection of its own, and works behind a pooler.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeAlias

from metadata_service.domain.refusals import StorageAway
from ui_backend.reading.changes import Batch, Changes

log = logging.getLogger(__name__)

_EVERY_SECONDS = 0.25
_AWAY_SECONDS = 1.0
_SILENCE_EVERY_SECONDS = 5.0
_MOST_WAITING = 200

Listener: TypeAlias = "asyncio.Queue[Batch | None]"
"""Batches one after the other; None when there are no more to come."""


class Live:
    def __init__(self, changes: Changes) -> None:
        self.changes = changes
        self._listeners: set[Listener] = set()
        self._wanted = asyncio.Event()
        self._looking = asyncio.Event()
        self._ended = False

    async def keep(self) -> None:
        """Look for changes whenever somebody listens. Ends only when cancelled."""
        while True:
            await self._wanted.wait()
            with contextlib.suppress(StorageAway):
                await self._look()
            # The database is away, and who listens will be told what it missed; or nobody listens any more.
            await asyncio.sleep(_AWAY_SECONDS if self._listeners else 0)

    @asynccontextmanager
    async def listen(self) -> AsyncIterator[Listener]:
        """From now on all batches come, also those of a question that is asked after this was entered."""
        listener: Listener = asyncio.Queue(_MOST_WAITING)
        self._listeners.add(listener)
        self._wanted.set()
        if self._ended:
            listener.put_nowait(None)
        try:
            await self._looking.wait()
            yield listener
        finally:
            self._listeners.discard(listener)
            if not self._listeners:
                self._wanted.clear()

    def end(self) -> None:
        """Let all that listen go: they find another replica."""
        self._ended = True
        self._looking.set()
        self._tell(None)

    async def _look(self) -> None:
        loop = asyncio.get_running_loop()
        cursor = await self.changes.now()
        silence, heard = cursor, loop.time()
        self._looking.set()
        try:
            while self._listeners:
                batch = await self._next(cursor)
                if batch.changes or batch.reset:
                    self._tell(batch)
                cursor = batch.cursor
                if loop.time() - heard > _SILENCE_EVERY_SECONDS:
                    with contextlib.suppress(StorageAway):
                        if silent := await self.changes.silent(silence):
                            self._tell(Batch(cursor, silent))
                        silence, heard = cursor, loop.time()
                await asyncio.sleep(_EVERY_SECONDS)
        finally:
            if not self._ended and not self._listeners:
                self._looking.clear()

    async def _next(self, cursor: str) -> Batch:
        while True:
            try:
                return await self.changes.after(cursor)
            except StorageAway:
                # Exact after the gap, so it is enough to ask again.
                await asyncio.sleep(_AWAY_SECONDS)

    def _tell(self, batch: Batch | None) -> None:
        for listener in self._listeners:
            try:
                listener.put_nowait(batch)
            except asyncio.QueueFull:
                # It takes nothing any more. It is let go, and may come back with its cursor.
                while not listener.empty():
                    listener.get_nowait()
                listener.put_nowait(None)
