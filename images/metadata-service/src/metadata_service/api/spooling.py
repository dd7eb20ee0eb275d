"""Lists that may be long: written down as they are read from the store, and sent from there.

A list is answered when the whole of it was read. So a database that goes away meanwhile is 503 and never half a list,
and a client that reads slowly holds none of the few connections to the database.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import msgspec
from starlette.responses import Response, StreamingResponse

from metadata_service.domain.refusals import StorageBusy
from metadata_service.domain.selection import Take

_JSON = "application/json"
_HELD_BYTES = 2**20
_SENT_TOGETHER = 2**18

_encoder = msgspec.json.Encoder()


async def answer_spooled(give: Callable[[Take[object]], Awaitable[None]], headers: dict[str, str]) -> Response:
    """The list that `give` gives, as JSON. Raises what that raises."""
    spool = _Spool()
    with contextlib.ExitStack() as kept:
        kept.callback(spool.close)
        await give(spool.take)
        answer = spool.answer(headers)
        # From here on the answer closes it.
        kept.pop_all()
    return answer


class _Spool:
    """A JSON array: in memory as long as it is small, then in a file without a name."""

    def __init__(self) -> None:
        # Closed by the answer that it becomes.
        self._file: Any = tempfile.SpooledTemporaryFile(max_size=_HELD_BYTES)  # noqa: SIM115
        self._next = b"["

    def close(self) -> None:
        self._file.close()

    def take(self, records: Sequence[object]) -> None:
        """Append these. Raises StorageBusy when there is no room."""
        if records:
            self._write(self._next, memoryview(_encoder.encode(records))[1:-1])
            self._next = b","

    def answer(self, headers: dict[str, str]) -> Response:
        """What was taken. It belongs to the answer from then on."""
        self._write(b"[]" if self._next == b"[" else b"]")
        size = self._file.tell()
        self._file.seek(0)
        if size > _HELD_BYTES:
            return StreamingResponse(self._parts(), 200, {**headers, "Content-Length": str(size)}, _JSON)
        with self._file as held:
            return Response(held.read(), 200, headers, _JSON)

    async def _parts(self) -> AsyncIterator[bytes]:
        # What was just written is in the system's memory, so reading it waits for nothing.
        with self._file as written:
            while part := written.read(_SENT_TOGETHER):
                yield part

    def _write(self, *parts: bytes | memoryview) -> None:
        try:
            for part in parts:
                self._file.write(part)
        except OSError as error:
            raise StorageBusy("There is no room to put this list together. Ask for pages of it, by _limit.") from error
