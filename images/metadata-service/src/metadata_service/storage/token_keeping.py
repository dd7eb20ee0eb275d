"""Issuing, rotating and revoking tokens, on any store: for the API and for the command line."""

from __future__ import annotations

from metadata_service.domain.tokens import IssuedToken, NewToken, Rotation, Token, issue, successor
from metadata_service.storage.interface import Tokens
from metadata_service.storage.token_rows import no_token


async def issue_token(tokens: Tokens, draft: NewToken, now: int) -> IssuedToken:
    """Keep a new token; gives what its holder is told."""
    stored, issued = issue(draft, now)
    await tokens.store(stored)
    return issued


async def rotate_token(tokens: Tokens, token_id: str, rotation: Rotation, now: int) -> IssuedToken:
    """Issue a token with the same rights, and let the old one end when the overlap is over. Raises NotFound."""
    stored, issued = successor(await _find(tokens, token_id), now)
    await tokens.store(stored)
    await tokens.expire(token_id, now + rotation.overlap_seconds)
    return issued


async def revoke_token(tokens: Tokens, token_id: str, now: int) -> Token:
    """Let the token end now; gives it as it is then. It stays in the list. Raises NotFound."""
    await tokens.expire(token_id, now)
    return await _find(tokens, token_id)


async def _find(tokens: Tokens, token_id: str) -> Token:
    found = await tokens.find(token_id)
    if found is None:
        raise no_token(token_id)
    return found.shown
