"""Subscriptions to resources, as upstream's pages make them.

A client says {"type": "SUBSCRIBE", "uuid", "resource": path and query of a list or an object, "since": seconds}, and
{"type": "UNSUBSCRIBE", "uuid"}. It is told {"type": "INSERT" | "UPDATE" | "DELETE", "uuid", "resource", "data"}, where
data is what a GET gives. What the resource's own query lets through is found out by asking just that, for the objects
that have changed.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias
from urllib.parse import parse_qsl, unquote, urlencode

import msgspec
from starlette.types import Message
from starlette.websockets import WebSocket

from ui_backend.reading.changes import Change, Changes

_MOST_SUBSCRIPTIONS = 100
_AT_ONCE = 100
_RESOURCE = re.compile(
    r"/(?:flows|runs|flows/(?P<flow>[^/]+)(?:/runs(?:/(?P<run>[^/]+)(?P<below>/.*)?)?)?)",
)
_BELOW = re.compile(
    r"/(?:steps/(?P<step>[^/]+)/)?(?:tasks/(?P<task>[^/]+)/)?(?P<what>[a-z]+)|/steps/[^/]+(?:/tasks/[^/]+)?"
)


Reached: TypeAlias = Callable[[Iterable[Change]], Awaitable[Sequence[Change]]]


class Said(msgspec.Struct, frozen=True):
    """What a client says. Fields that are not known are left out."""

    type: str
    uuid: str
    resource: str = ""
    since: float | None = None


@dataclass(frozen=True)
class Subscription:
    uuid: str
    resource: str
    path: str
    query: tuple[tuple[str, str], ...]
    flow: str | None
    run_number: int | None

    def about(self, change: Change) -> bool:
        """Whether the change may touch what the resource shows."""
        if self.flow is not None and change.flow_id != self.flow:
            return False
        if self.run_number is not None:
            return change.run_number == self.run_number and (change.kind != "run" or not self._below_tasks)
        if self.path == "/flows" or (self.flow is not None and self.path == f"/flows/{self.flow}"):
            return change.kind == "flow"
        return change.kind == "run" or (change.kind == "metadata" and change.step_name == "end")

    @property
    def _below_tasks(self) -> bool:
        return self.path.endswith(("/metadata", "/artifacts"))

    def asked(self, changes: Sequence[Change]) -> list[tuple[str, str]] | None:
        """The query for the objects that have changed; None when the resource is a single object."""
        last = self.path.rpartition("/")[2]
        match last:
            case "flows":
                return [*self.query, ("flow_id", _any(change.flow_id for change in changes)), _ALL]
            case "runs":
                numbers = _any(str(change.run_number) for change in changes)
                flows = _any(change.flow_id for change in changes)
                return [*self.query, ("run_number", numbers), ("flow_id", flows), _ALL]
            case "steps":
                steps = [change.step_name for change in changes if change.step_name]
                return [*self.query, ("step_name", _any(steps)), _ALL] if steps else [*self.query, _ALL]
            case "tasks" | "metadata" | "artifacts":
                tasks = [str(change.task_id) for change in changes if change.task_id is not None]
                return [*self.query, ("task_id", _any(tasks)), _ALL] if tasks else [*self.query, _ALL]
            case "attempts":
                return [*self.query, _ALL]
            case _:
                return None


_ALL = ("_limit", "1000")
_LISTED = {"flow": "flows", "run": "runs", "step": "steps", "task": "tasks", "artifact": "artifacts"}


def _is_new(change: Change, path: str) -> bool:
    """Whether the list of this path has one more object by the change."""
    return change.op == "INSERT" and path.endswith("/" + _LISTED.get(change.kind, change.kind))


def _any(values: Iterable[str]) -> str:
    return ",".join(dict.fromkeys(values))


class Subscriptions:
    """Those of one client. Objects are asked for in its name."""

    def __init__(self, socket: WebSocket, reached: Reached) -> None:
        """`reached` leaves out what the client may not be told."""
        self._socket, self._reached = socket, reached
        self._subscriptions: dict[str, Subscription] = {}

    async def hear(self, text: str, changes: Changes) -> None:
        """Take or end a subscription. What is not understood is left alone, as upstream does."""
        try:
            said = msgspec.json.decode(text, type=Said)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return
        if said.type == "UNSUBSCRIBE":
            self._subscriptions.pop(said.uuid, None)
        elif said.type == "SUBSCRIBE" and len(self._subscriptions) < _MOST_SUBSCRIPTIONS:
            made = await self._subscription(said)
            if made is None:
                return
            self._subscriptions[said.uuid] = made
            if said.since is not None and 0 <= said.since < 2**40:
                missed = await changes.since(int(said.since * 1000))
                await self._tell(made, await self._reached(missed.changes))

    async def tell(self, changes: Sequence[Change]) -> None:
        told = await self._reached(changes)
        for subscription in list(self._subscriptions.values()):
            await self._tell(subscription, told)

    async def _subscription(self, said: Said) -> Subscription | None:
        path, _, query = said.resource.partition("?")
        path = path.rstrip("/")
        found = _RESOURCE.fullmatch(path)
        if found is None or (found["below"] and not _BELOW.fullmatch(found["below"])):
            return None
        number = None
        if found["run"] is not None:
            body = await self._ask(f"/flows/{found['flow']}/runs/{found['run']}", [])
            if body is None:
                return None
            number = body["run_number"]
        flow = None if found["flow"] is None else unquote(found["flow"])
        return Subscription(said.uuid, said.resource, path, tuple(parse_qsl(query)), flow, number)

    async def _tell(self, subscription: Subscription, changes: Sequence[Change]) -> None:
        about = [change for change in changes if subscription.about(change)]
        kind = "INSERT" if any(_is_new(change, subscription.path) for change in about) else "UPDATE"
        for gone in (change for change in about if change.op == "DELETE"):
            named = {"flow_id": gone.flow_id, "run_number": gone.run_number}
            await self._send(subscription, "DELETE", named)
        there = [change for change in about if change.op != "DELETE"]
        for start in range(0, len(there), _AT_ONCE):
            part = there[start : start + _AT_ONCE]
            query = subscription.asked(part)
            body = await self._ask(subscription.path, list(subscription.query) if query is None else query)
            if body is None:
                continue
            for one in body if isinstance(body, list) else [body]:
                await self._send(subscription, kind, one)

    async def _send(self, subscription: Subscription, kind: str, data: Any) -> None:
        message = {"type": kind, "uuid": subscription.uuid, "resource": subscription.resource, "data": data}
        await self._socket.send_text(msgspec.json.encode(message).decode())

    async def _ask(self, path: str, query: Sequence[tuple[str, str]]) -> Any:
        """The data of a GET, asked for within this process with what the client sent; None when it is refused."""
        status, parts = 0, []

        async def receive() -> Message:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            else:
                parts.append(message.get("body", b""))

        scope = self._socket.scope
        inner = {name: scope[name] for name in ("headers", "client", "server", "asgi")}
        inner |= {"type": "http", "http_version": "1.1", "method": "GET", "scheme": "http", "root_path": ""}
        raw = f"/api{path}"
        inner |= {"path": unquote(raw), "raw_path": raw.encode(), "query_string": urlencode(query).encode()}
        await self._socket.app.state.api(inner, receive, send)
        return msgspec.json.decode(b"".join(parts))["data"] if status == 200 else None
