"""Reading a request's body: bounded in size and time, and decoded into what the domain asks for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import anyio
import msgspec
from starlette.requests import Request

from metadata_service.domain.drafts import NewArtifact
from metadata_service.domain.refusals import Malformed, TooLarge, TooSlow
from metadata_service.settings import Limits

T = TypeVar("T")


async def read_body(request: Request, kind: type[T]) -> T:
    """The body as the kind that is expected. Raises Malformed, TooLarge or TooSlow."""
    limits: Limits = request.app.state.limits
    try:
        with anyio.fail_after(limits.body_seconds):
            body = await _read(request, limits.max_body_bytes)
    except TimeoutError as error:
        raise TooSlow(f"The body did not arrive within {limits.body_seconds:g} seconds. Send it again.") from error
    try:
        # The decoder does not look into fields that are ignored.
        body.decode()
        content = msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Malformed(f"The body is not as expected: {error}. Correct it.") from error
    except RecursionError as error:
        raise Malformed("The body is not as expected: it is nested too deep. Make it flatter.") from error
    if b"\\u0000" in body and _has_nul(msgspec.json.decode(body)):
        raise Malformed("The body has a text with a NUL character, which no database holds. Leave it out.")
    return content


async def read_artifacts(request: Request) -> Sequence[NewArtifact]:
    """The artifacts of a body. Raises Malformed also when one is there twice: only one of them could be kept."""
    drafts = await read_body(request, tuple[NewArtifact, ...])
    seen: dict[tuple[str, int], NewArtifact] = {}
    for place, draft in enumerate(drafts):
        if seen.setdefault((draft.name, draft.attempt_id), draft) is not draft:
            raise Malformed(f"$[{place}].name: {draft.name!r} is in the body twice. Send one of them.")
    return drafts


async def _read(request: Request, most: int) -> bytes:
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and len(declared) < 20 and int(declared) > most:
        raise _too_large(most)
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            raise _too_large(most)
    return bytes(body)


def _too_large(most: int) -> TooLarge:
    return TooLarge(f"The body is larger than {most} bytes. Send it in parts.")


def _has_nul(content: object) -> bool:
    """Whether any text in the JSON has a NUL character. Only asked when the body has a sign of one."""
    waiting = [content]
    while waiting:
        match waiting.pop():
            case str(text):
                if "\0" in text:
                    return True
            case list(items):
                waiting.extend(items)
            case dict(members):
                waiting.extend(members.keys())
                waiting.extend(members.values())
    return False
