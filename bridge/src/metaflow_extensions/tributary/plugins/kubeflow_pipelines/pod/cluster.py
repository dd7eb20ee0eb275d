"""The Kubernetes API as a pod speaks to it: as its own service account, by the cluster's certificate, with the standard
library.

What Kubernetes answers is believed: an ApiError. Everything else (no connection, a proxy's page, a server error) is the
world's and is tried again, for a bounded time; so is a refusal of what was allowed before.
"""

import http.client
import json
import os
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlencode

Document = dict[str, Any]
_Answer = TypeVar("_Answer")

# Where Kubernetes mounts a service account's token and the cluster's certificate.
SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")

_REQUEST_SECONDS = 30.0
_LONGEST_DELAY = 15.0
_WORLD = (OSError, http.client.HTTPException, ValueError)


class ApiError(Exception):
    """Kubernetes says no: its status code, and its message."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"{message} ({code})")
        self.code = code


class _Refused(ApiError):
    """Kubernetes says no to what it allowed before. An API server that starts anew does, until it has read its roles
    (kubernetes/kubernetes#121635).
    """


class Unreachable(Exception):
    """Kubernetes did not answer for as long as is waited for it."""


class _Again(Exception):
    """An answer that the next try may better."""


@dataclass(frozen=True)
class Cluster:
    """The API server at `url`; `account` is the folder with token and ca.crt.

    `patience` is for how many seconds it is asked again, `delay` the first pause between two tries.
    One is `allowed` of which it is known that the account has the rights for what it asks.
    """

    url: str
    account: Path = SERVICE_ACCOUNT
    patience: float = 300.0
    delay: float = 1.0
    allowed: bool = False
    _opener: urllib.request.OpenerDirector = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # No proxy stands between a pod and its cluster, whatever the step's variables say.
        handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler({})]
        if self.url.startswith("https:"):
            context = ssl.create_default_context(cafile=str(self.account / "ca.crt"))
            handlers.append(urllib.request.HTTPSHandler(context=context))
        object.__setattr__(self, "_opener", urllib.request.build_opener(*handlers))

    @classmethod
    def of_this_pod(cls) -> "Cluster":
        """The cluster that this process's pod runs in. KeyError outside of one."""
        host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ["KUBERNETES_SERVICE_PORT"]
        return cls(f"https://{f'[{host}]' if ':' in host else host}:{port}", SERVICE_ACCOUNT)

    def get(self, path: str, **query: str) -> Document:
        """The object or list at this path. ApiError, Unreachable."""
        return self._ask("GET", path, query, None)

    def create(self, path: str, body: Document) -> None:
        """Create the object. One of that name may be there from a try whose answer was lost. ApiError, Unreachable."""
        try:
            self._ask("POST", path, {}, body)
        except ApiError as error:
            if error.code != 409:
                raise

    def delete(self, path: str) -> None:
        """Delete the object and what it made; one that is gone is fine. ApiError, Unreachable."""
        try:
            self._ask("DELETE", path, {"propagationPolicy": "Background"}, None)
        except ApiError as error:
            if error.code != 404:
                raise

    def watch(self, path: str, version: str, seconds: int, **query: str) -> Iterator[Document]:
        """The events since this version of a list, for that many seconds or until the connection breaks; then the list
        is to be read anew. ApiError when Kubernetes refuses, or has forgotten that version.
        """
        asked = {**query, "watch": "1", "resourceVersion": version, "timeoutSeconds": str(seconds)}

        def begin() -> Any:
            return self._open(self._request("GET", path, asked, None), seconds + _REQUEST_SECONDS)

        try:
            with self._patiently(begin, (_Refused,)) as lines:
                for line in lines:
                    event = json.loads(line)
                    if event["type"] == "ERROR":
                        raise self._fault(int(event["object"]["code"]), event["object"], "")
                    yield event
        except (_Again, *_WORLD):
            # The next list finds out whether Kubernetes is away, and waits for it.
            return

    def _ask(self, method: str, path: str, query: Mapping[str, str], body: Document | None) -> Document:
        def ask() -> Document:
            with self._open(self._request(method, path, query, body), _REQUEST_SECONDS) as answer:
                return dict(json.load(answer))

        return self._patiently(ask, (_Refused, _Again, *_WORLD))

    def _patiently(self, ask: Callable[[], _Answer], faults: tuple[type[Exception], ...]) -> _Answer:
        """Ask again as long as the answer is one of these faults and there is patience left."""
        until = time.monotonic() + self.patience
        delay = self.delay
        while True:
            try:
                return ask()
            except faults as error:
                if time.monotonic() + delay > until:
                    if isinstance(error, ApiError):
                        raise
                    what = f"the Kubernetes API has not answered for {self.patience:.0f} seconds ({error})"
                    raise Unreachable(what) from error
                time.sleep(delay)
                delay = min(2 * delay, _LONGEST_DELAY)

    def _open(self, request: urllib.request.Request, seconds: float) -> Any:
        try:
            return self._opener.open(request, timeout=seconds)
        except urllib.error.HTTPError as error:
            with error:
                said = _status(error.read())
            raise self._fault(error.code, said, error.reason) from error

    def _fault(self, code: int, said: Document | None, reason: str) -> Exception:
        """What an error is, by its status code and what Kubernetes said, if it was Kubernetes."""
        if said is None or code == 429 or code >= 500:
            return _Again(f"status {code}")
        refused = self.allowed and code in (401, 403)
        return (_Refused if refused else ApiError)(code, str(said.get("message") or reason))

    def _request(
        self, method: str, path: str, query: Mapping[str, str], body: Document | None
    ) -> urllib.request.Request:
        # The token is read for every request: Kubernetes replaces it while the pod runs.
        headers = {"Authorization": f"Bearer {(self.account / 'token').read_text().strip()}"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        target = self.url + path + (f"?{urlencode(query)}" if query else "")
        data = None if body is None else json.dumps(body).encode()
        return urllib.request.Request(target, data=data, headers=headers, method=method)


def _status(body: bytes) -> Document | None:
    """Kubernetes' own error object; None for anything else, a proxy's page for one."""
    try:
        said = json.loads(body)
    except ValueError:
        return None
    return said if isinstance(said, dict) and said.get("kind") == "Status" else None
