"""Tokens: who may do what. A token is shown once, when it is issued; what is kept of it is a hash."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from typing import Annotated, Literal, get_args

import msgspec

from metadata_service.domain.keys import MAX_NAME

Scope = Literal["read", "write", "admin"]
"""What may be done; each includes the ones before it."""

SCOPES: tuple[Scope, ...] = get_args(Scope)

_MARK = "mft"
_PROJECT_TAG = "project:"

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_NAME)]
Prefixes = tuple[Name, ...]


@dataclass(frozen=True)
class Grant:
    """What a caller may do: up to a scope, with flows or projects whose names begin in one of some ways."""

    caller: str
    scope: Scope
    flows: tuple[str, ...] = ()
    projects: tuple[str, ...] = ()

    @property
    def everywhere(self) -> bool:
        return not self.flows and not self.projects

    def allows(self, scope: Scope) -> bool:
        return SCOPES.index(self.scope) >= SCOPES.index(scope)

    def reaches_flow(self, flow_id: str) -> bool:
        """Whether the flow's name does not forbid it. With projects, the tags decide."""
        return not self.flows or flow_id.startswith(self.flows)

    def reaches_tags(self, system_tags: Collection[str]) -> bool:
        """Whether the system tags of a flow or a run do not forbid it. A client in a project marks both with it."""
        return not self.projects or any(tag.startswith(self.project_tags) for tag in system_tags)

    @property
    def project_tags(self) -> tuple[str, ...]:
        """How the system tags begin of which there must be one."""
        return tuple(_PROJECT_TAG + project for project in self.projects)


class NewToken(msgspec.Struct, frozen=True):
    """A token that is asked for. Without flows and projects it reaches everything."""

    name: Name
    scope: Scope
    flows: Prefixes = ()
    projects: Prefixes = ()
    valid_seconds: Annotated[int, msgspec.Meta(ge=1, le=10**10)] | None = None

    def __post_init__(self) -> None:
        if self.flows and self.projects:
            raise ValueError("a token reaches flows or projects, not both")


class Rotation(msgspec.Struct, frozen=True):
    """How long the old token stays valid beside the new one."""

    overlap_seconds: Annotated[int, msgspec.Meta(ge=0, le=10**8)] = 86_400


class Token(msgspec.Struct, frozen=True):
    """A token as it is listed."""

    token_id: str
    name: str
    scope: Scope
    flows: Prefixes
    projects: Prefixes
    created_ts: int
    expires_ts: int | None


class IssuedToken(msgspec.Struct, frozen=True):
    """A token as it is issued, and never again."""

    token: str
    token_id: str
    name: str
    expires_ts: int | None


class StoredToken(msgspec.Struct, frozen=True):
    """A token as a store keeps it."""

    shown: Token
    digest: str

    def opens(self, secret: str, now: int) -> bool:
        """Whether the secret is this token's, and it is still valid."""
        expires = self.shown.expires_ts
        return hmac.compare_digest(self.digest, digest(secret)) and (expires is None or now < expires)

    def grant(self) -> Grant:
        token = self.shown
        return Grant(f"{token.name} ({token.token_id})", token.scope, token.flows, token.projects)


def issue(draft: NewToken, now: int) -> tuple[StoredToken, IssuedToken]:
    """A new token: what is kept of it, and what is told. `now` in seconds since 1970."""
    token_id, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
    expires = None if draft.valid_seconds is None else now + draft.valid_seconds
    token = Token(token_id, draft.name, draft.scope, draft.flows, draft.projects, now, expires)
    issued = IssuedToken(f"{_MARK}_{token_id}_{secret}", token_id, draft.name, expires)
    return StoredToken(token, digest(secret)), issued


def successor(token: Token, now: int) -> tuple[StoredToken, IssuedToken]:
    """A token with the name, the rights and the validity of another one, counted from now."""
    valid = None if token.expires_ts is None else max(1, token.expires_ts - token.created_ts)
    return issue(NewToken(token.name, token.scope, token.flows, token.projects, valid), now)


def parts(text: str) -> tuple[str, str] | None:
    """The id and the secret of a token; None for what is none."""
    mark, _, rest = text.partition("_")
    token_id, _, secret = rest.partition("_")
    return (token_id, secret) if mark == _MARK and token_id and secret else None


def digest(secret: str) -> str:
    """What is kept of a secret. It is random and long, so a fast hash gives nothing away."""
    return hashlib.sha256(secret.encode()).hexdigest()
