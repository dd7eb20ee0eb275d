"""How tokens are kept, in every store: lists as JSON, times in seconds."""

from __future__ import annotations

import msgspec

from metadata_service.domain.refusals import NotFound
from metadata_service.domain.tokens import StoredToken, Token
from metadata_service.storage.selecting import Parameters, Row

COLUMNS = "token_id, name, scope, flows, projects, created_ts, expires_ts, digest"

DEFINITION = (
    "token_id TEXT PRIMARY KEY, name TEXT NOT NULL, scope TEXT NOT NULL, flows TEXT NOT NULL, projects TEXT NOT NULL,"
    " created_ts BIGINT NOT NULL, expires_ts BIGINT, digest TEXT NOT NULL"
)

NEWEST_FIRST = "ORDER BY created_ts DESC, token_id"


def as_row(token: StoredToken) -> Parameters:
    """The values of COLUMNS by name."""
    shown = msgspec.structs.asdict(token.shown)
    lists = {name: msgspec.json.encode(shown[name]).decode() for name in ("flows", "projects")}
    return {**shown, **lists, "digest": token.digest}


def as_token(row: Row) -> StoredToken:
    """The token of a row of COLUMNS."""
    token_id, name, scope, flows, projects, created_ts, expires_ts, digest = row
    flows, projects = (msgspec.json.decode(text, type=tuple[str, ...]) for text in (flows, projects))
    return StoredToken(Token(token_id, name, scope, flows, projects, created_ts, expires_ts), digest)


def no_token(token_id: str) -> NotFound:
    return NotFound(f"Token {token_id!r} does not exist.")
