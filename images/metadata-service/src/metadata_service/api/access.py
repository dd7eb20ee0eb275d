"""Who a request comes from, and whether it may do what it asks.

Today's client can send a token in two ways: `x-api-key`, and any header it is configured with, such as `Authorization`.
Besides, a proxy that has let somebody in may say who that is, which is enough to read.
"""

from __future__ import annotations

import dataclasses
import hmac
import ipaddress
import time
from collections import OrderedDict
from collections.abc import Sequence
from typing import Protocol, TypeVar

import msgspec
from starlette.requests import Request

from metadata_service.api import paths
from metadata_service.domain import tokens
from metadata_service.domain.keys import RunPath
from metadata_service.domain.refusals import Forbidden, NotFound, TooOften, Unknown
from metadata_service.domain.selection import Selection, TagFilter
from metadata_service.domain.tokens import Grant, Scope, StoredToken
from metadata_service.settings import AccessSettings
from metadata_service.storage.interface import Storage
from metadata_service.storage.lineage import tag_list

REMEMBERED_SECONDS = 10.0
"""How long a token counts without a look into the store: it may be revoked meanwhile."""

_REMEMBERED = 10_000
_BURST_SECONDS = 2.0

EVERYTHING = Grant("anyone", "admin")
"""What everybody may do who reaches the port, when authentication is off."""


class Marked(Protocol):
    """A record of its own tags: a flow or a run."""

    @property
    def system_tags(self) -> msgspec.Raw | None: ...


R = TypeVar("R", bound=Marked)


class Access:
    """Knows callers by what they send. `settings` without a mode lets everybody do everything."""

    def __init__(self, settings: AccessSettings, storage: Storage) -> None:
        self._settings = settings
        self._storage = storage
        given: tuple[tuple[str, Scope], ...] = ((settings.admin_digest, "admin"), (settings.write_digest, "write"))
        self._given = [(known, Grant(f"the {scope} token of the settings", scope)) for known, scope in given if known]
        self._known: OrderedDict[str, tuple[float, StoredToken]] = OrderedDict()
        self._reached: OrderedDict[tuple[str, RunPath], None] = OrderedDict()
        self._left: dict[str, tuple[float, float]] = {}

    @property
    def on(self) -> bool:
        return self._settings.tokens

    async def admit(self, request: Request, needed: Scope) -> Grant:
        """What the caller may do. Raises Unknown, Forbidden for a scope or a reach that is too small, and TooOften."""
        if not self.on:
            return EVERYTHING
        grant = await self._grant(request)
        if not grant.allows(needed):
            raise Forbidden(f"{grant.caller} may {grant.scope}, and this takes {needed}. Use another token.")
        flow_id = request.path_params.get("flow_id")
        if flow_id is None:
            return grant
        if not grant.reaches_flow(flow_id):
            raise Forbidden(f"{grant.caller} has nothing to do with flow {flow_id!r}. Use another token.")
        if grant.projects and "run_number" in request.path_params:
            await self._check_project(grant, paths.run_path(request))
        return grant

    async def reaches(self, grant: Grant, path: RunPath) -> bool:
        """Whether the run is of the caller's projects, as far as its tags decide. One that is gone is nobody's."""
        try:
            await self._check_project(grant, path)
        except (Forbidden, NotFound):
            return False
        return True

    def forget(self, token_id: str) -> None:
        """Look into the store again when the token comes next."""
        self._known.pop(token_id, None)

    async def _grant(self, request: Request) -> Grant:
        sent = _sent_token(request)
        if not sent:
            return self._grant_of_proxy(request)
        if self._given:
            digest = tokens.digest(sent)
            for known, grant in self._given:
                if hmac.compare_digest(known, digest):
                    return grant
        found = tokens.parts(sent)
        token = await self._find(found[0]) if found else None
        if found is None or token is None or not token.opens(found[1], int(time.time())):
            raise Unknown("The token is not known, or no longer valid. Ask for another.")
        self._count(token.shown.token_id)
        return token.grant()

    def _grant_of_proxy(self, request: Request) -> Grant:
        header = self._settings.trusted_header
        user = request.headers.get(header) if header else None
        if user and request.client is not None and self._is_proxy(request.client.host):
            return Grant(f"{header} {user}", "read")
        raise Unknown("This service asks for a token: x-api-key, or Authorization: Bearer. METAFLOW_SERVICE_AUTH_KEY.")

    def _is_proxy(self, host: str) -> bool:
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return False
        return any(address in network for network in self._settings.trusted_proxies)

    async def _find(self, token_id: str) -> StoredToken | None:
        now = time.monotonic()
        until, token = self._known.get(token_id, (0.0, None))
        if token is None or until < now:
            token = await self._storage.tokens.find(token_id)
            if token is not None:
                self._known[token_id] = (now + REMEMBERED_SECONDS, token)
                while len(self._known) > _REMEMBERED:
                    self._known.popitem(last=False)
        return token

    def _count(self, token_id: str) -> None:
        """One request of a token. What it does not use it may catch up with, for a moment."""
        rate = self._settings.requests_per_second
        if not rate:
            return
        now = time.monotonic()
        burst = max(1.0, rate * _BURST_SECONDS)
        left, at = self._left.get(token_id, (burst, now))
        left = min(burst, left + (now - at) * rate)
        self._left[token_id] = (max(0.0, left - 1), now)
        if left < 1:
            raise TooOften(f"This token may ask {rate:g} times a second. Ask again in a moment.")

    async def _check_project(self, grant: Grant, path: RunPath) -> None:
        # System tags never change, so what was seen once stays true.
        known = (grant.caller, path)
        if known in self._reached:
            return
        run = await self._storage.runs.get(path)
        check_tags(grant, tag_list(run.system_tags))
        self._reached[known] = None
        while len(self._reached) > _REMEMBERED:
            self._reached.popitem(last=False)


def access(request: Request) -> Access:
    """What the application was made with."""
    found: Access = request.app.state.access
    return found


def grant(request: Request) -> Grant:
    """What the caller may do, found out before the route was called."""
    found: Grant = request.scope["grant"]
    return found


def check_tags(of: Grant, system_tags: Sequence[str]) -> None:
    """Raises Forbidden when these system tags are those of a flow or a run of another project."""
    if not of.reaches_tags(system_tags):
        raise Forbidden(f"{of.caller} has to do with projects {', '.join(of.projects)}* only. Use another token.")


def narrowed(request: Request, selection: Selection) -> Selection:
    """The selection, with all left out that does not speak of the caller's projects."""
    of = grant(request)
    if not of.projects:
        return selection
    spoken_of = TagFilter("likeany", of.project_tags)
    return dataclasses.replace(selection, tags=(*selection.tags, spoken_of))


def visible(request: Request, records: Sequence[R]) -> list[R]:
    """Those of the records that the caller may see. A page may so become shorter."""
    of = grant(request)
    return [record for record in records if not of.projects or of.reaches_tags(tag_list(record.system_tags))]


def need_everywhere(request: Request) -> None:
    """Raises NotFound while authentication is off, and Forbidden for a token that does not reach everything."""
    if not access(request).on:
        raise NotFound("Authentication is off, so there are no tokens. Set MF_METADATA_AUTH=tokens.")
    if not grant(request).everywhere:
        raise Forbidden(f"{grant(request).caller} does not reach everything, and this takes that. Use another token.")


def _sent_token(request: Request) -> str:
    if key := request.headers.get("x-api-key"):
        return key
    kind, _, text = request.headers.get("authorization", "").partition(" ")
    return text.strip() if kind.lower() == "bearer" else ""
