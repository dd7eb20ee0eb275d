"""An HTTP server that answers as the Kubernetes API does, for the verbs and kinds that the modules use.

It knows discovery, reads with selectors, create, server-side apply, delete, dry run, access reviews and the proxy to a
Service. The tests that use it run on a real API server too, which shows where it would be wrong.
"""

from __future__ import annotations

import copy
import itertools
import json
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import yaml

Object = dict[str, Any]
TOKEN = "a-token-of-the-fake"
CONTEXT = "fake"
# API version, kind, plural, namespaced.
KINDS = [
    ("v1", "Namespace", "namespaces", False),
    ("v1", "ConfigMap", "configmaps", True),
    ("v1", "Secret", "secrets", True),
    ("v1", "Service", "services", True),
    ("v1", "ServiceAccount", "serviceaccounts", True),
    ("v1", "PersistentVolumeClaim", "persistentvolumeclaims", True),
    ("v1", "Pod", "pods", True),
    ("v1", "Event", "events", True),
    ("v1", "Endpoints", "endpoints", True),
    ("apps/v1", "Deployment", "deployments", True),
    ("apps/v1", "ControllerRevision", "controllerrevisions", True),
    ("batch/v1", "CronJob", "cronjobs", True),
    ("coordination.k8s.io/v1", "Lease", "leases", True),
    ("discovery.k8s.io/v1", "EndpointSlice", "endpointslices", True),
    ("example.org/v1", "Widget", "widgets", True),
    ("rbac.authorization.k8s.io/v1", "Role", "roles", True),
    ("rbac.authorization.k8s.io/v1", "RoleBinding", "rolebindings", True),
    ("storage.k8s.io/v1", "StorageClass", "storageclasses", False),
]
PATH = re.compile(
    r"^(?P<root>/api/v1|/apis/[^/]+/[^/]+)(?:/namespaces/(?P<namespace>[^/]+)(?=/))?/(?P<plural>[a-z]+)(?:/(?P<name>[^/]+))?$"
)
PROXY = re.compile(r"^/api/v1/namespaces/(?P<service>[^/]+/services/[^/]+)/proxy/")


class Refused(Exception):
    """An answer that is a Status."""

    def __init__(self, code: int, message: str, kind: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.status = {"kind": "Status", "code": code, "message": message, "details": {"kind": kind}}


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    query: dict[str, str]
    body: Any

    @property
    def writes(self) -> bool:
        """Whether it would change what is stored."""
        review = self.path.endswith("selfsubjectaccessreviews")
        return self.method != "GET" and "dryRun" not in self.query and not review


@dataclass
class Store:
    """What is stored, by path, and for server-side apply what each manager last applied."""

    objects: dict[str, Object] = field(default_factory=dict)
    applied: dict[tuple[str, str], Object] = field(default_factory=dict)
    version: itertools.count[int] = field(default_factory=lambda: itertools.count(1))


class FakeKubernetes:
    """The server, the kubeconfig that leads to it, and what a test may set or look at."""

    context = CONTEXT

    def __init__(self, folder: Path) -> None:
        self.store = Store()
        self.requests: list[Request] = []
        # (verb, plural) that the user may not do; empty for an administrator.
        self.denied: set[tuple[str, str]] = set()
        # API groups whose own server is down.
        self.down: set[str] = set()
        # What Services answer: 'NAMESPACE/services/NAME:PORT' to status and body.
        self.services: dict[str, tuple[int, bytes]] = {}
        # Statuses to answer with before anything else, to be overcome by asking again.
        self.busy: list[int] = []
        self.git_version = "v1.34.4"
        # Called once before an object is created in earnest: somebody else comes first.
        self.before_create: Callable[[], None] = lambda: None
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"fake": self}))
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self.kubeconfig = str(folder / "fake-kubeconfig")
        Path(self.kubeconfig).write_text(yaml.safe_dump(kubeconfig(self.url, CONTEXT, TOKEN)))

    def __enter__(self) -> FakeKubernetes:
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def writes(self) -> list[Request]:
        return [request for request in self.requests if request.writes]

    def put(self, definition: Object) -> None:
        """Store an object as somebody else would."""
        self.store.objects[_path(definition)] = self._stamped(copy.deepcopy(definition))

    def look(self, kind: str, namespace: str | None, name: str) -> Object | None:
        """One stored object."""
        version = next(entry[0] for entry in KINDS if entry[1] == kind)
        metadata = {"name": name, "namespace": namespace}
        return self.store.objects.get(_path({"apiVersion": version, "kind": kind, "metadata": metadata}))

    def answer(self, request: Request) -> tuple[int, Any]:
        """Status and body of one request."""
        with self._lock:
            self.requests.append(request)
            if self.busy:
                code = self.busy.pop(0)
                return code, {"kind": "Status", "code": code, "message": "try again"}
            try:
                return self._answer(request)
            except Refused as refused:
                return refused.code, refused.status

    def _answer(self, request: Request) -> tuple[int, Any]:
        if request.path == "/version":
            return 200, {"gitVersion": self.git_version}
        if request.path.endswith("/selfsubjectaccessreviews"):
            return 201, {"status": {"allowed": self._allowed(request.body["spec"]["resourceAttributes"])}}
        if proxied := PROXY.match(request.path):
            name = proxied["service"]
            if name not in self.services:
                raise Refused(503, f'no endpoints available for service "{name.split("/")[-1]}"')
            return self.services[name]
        if request.path == "/apis":
            return 200, {"groups": _groups() + [_group(name, "v1") for name in sorted(self.down)]}
        if request.path.startswith("/apis/") and request.path.split("/")[2] in self.down:
            raise Refused(503, "service unavailable")
        if re.fullmatch(r"/api/v1|/apis/[^/]+/v1", request.path):
            return 200, {"resources": _discovery(request.path)}
        found = PATH.match(request.path)
        if found is None or not _knows(found["root"], found["plural"]):
            raise Refused(404, "the server could not find the requested resource")
        if ("*", found["plural"]) in self.denied:
            raise Refused(403, f"{found['plural']} is forbidden: User cannot do this", found["plural"])
        return getattr(self, f"_{request.method.lower()}")(request, found)  # type: ignore[no-any-return]

    def _allowed(self, wanted: Object) -> bool:
        if wanted["verb"] == "*":
            return not self.denied
        return not {(wanted["verb"], wanted["resource"]), ("*", wanted["resource"])} & self.denied

    def _get(self, request: Request, found: re.Match[str]) -> tuple[int, Any]:
        if found["name"]:
            return 200, self._one(request.path)
        labels = dict(pair.split("=") for pair in request.query.get("labelSelector", "").split(",") if pair)
        field_name, _, value = request.query.get("fieldSelector", "").partition("=")
        items = [
            each
            for path, each in self.store.objects.items()
            if path.rsplit("/", 1)[0] == request.path
            and labels.items() <= (each["metadata"].get("labels") or {}).items()
            and (not field_name or _field(each, field_name) == value)
        ]
        without_type = [{key: each[key] for key in each if key not in ("apiVersion", "kind")} for each in items]
        return 200, {"kind": "List", "items": without_type}

    def _post(self, request: Request, found: re.Match[str]) -> tuple[int, Any]:
        path = f"{request.path}/{request.body['metadata']['name']}"
        self._need_namespace(found)
        if "dryRun" not in request.query:
            self.before_create()
        if path in self.store.objects:
            raise Refused(409, f'{found["plural"]} "{path.rsplit("/", 1)[1]}" already exists', found["plural"])
        return 201, self._save(request, path, copy.deepcopy(request.body))

    def _patch(self, request: Request, found: re.Match[str]) -> tuple[int, Any]:
        self._need_namespace(found)
        manager = (request.path, request.query["fieldManager"])
        live = copy.deepcopy(self.store.objects.get(request.path, {}))
        _take_out(live, self.store.applied.get(manager, {}), request.body)
        _lay_over(live, request.body)
        if "dryRun" not in request.query:
            self.store.applied[manager] = copy.deepcopy(request.body)
        return 200, self._save(request, request.path, live)

    def _delete(self, request: Request, found: re.Match[str]) -> tuple[int, Any]:
        stored = self._one(request.path)
        if "dryRun" not in request.query:
            if stored["metadata"].get("finalizers"):
                stored["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
            else:
                del self.store.objects[request.path]
        return 200, {"kind": "Status", "status": "Success"}

    def _one(self, path: str) -> Object:
        if path not in self.store.objects:
            *_, plural, name = path.split("/")
            raise Refused(404, f'{plural} "{name}" not found', plural)
        return self.store.objects[path]

    def _need_namespace(self, found: re.Match[str]) -> None:
        if found["namespace"] and f"/api/v1/namespaces/{found['namespace']}" not in self.store.objects:
            raise Refused(404, f'namespaces "{found["namespace"]}" not found', "namespaces")

    def _save(self, request: Request, path: str, wished: Object) -> Object:
        if "dryRun" in request.query:
            return self._stamped(wished)
        self.store.objects[path] = self._stamped(wished)
        return self.store.objects[path]

    def _stamped(self, definition: Object) -> Object:
        number = next(self.store.version)
        metadata = definition["metadata"]
        metadata.setdefault("uid", f"uid-{number}")
        metadata.setdefault("creationTimestamp", "2026-01-01T00:00:00Z")
        metadata["resourceVersion"] = str(number)
        metadata["managedFields"] = [{"manager": "somebody", "time": str(number)}]
        return definition


class _Handler(BaseHTTPRequestHandler):
    fake: FakeKubernetes
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        split = urlsplit(self.path)
        query = {key: values[0] for key, values in parse_qs(split.query).items()}
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            answer: Any = {"kind": "Status", "message": "Unauthorized"}
            status = 401
        else:
            status, answer = self.fake.answer(Request(self.command, split.path, query, body))
        data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_POST = do_PATCH = do_DELETE = do_GET

    def log_message(self, *_: object) -> None:
        """Nothing: the requests are kept."""


def kubeconfig(url: str, context: str, token: str, **cluster: object) -> Object:
    """A kubeconfig with one context, and no current one."""
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": context, "cluster": {"server": url, **cluster}}],
        "users": [{"name": context, "user": {"token": token}}],
        "contexts": [{"name": context, "context": {"cluster": context, "user": context}}],
    }


def _root(version: str) -> str:
    return f"/apis/{version}" if "/" in version else f"/api/{version}"


def _path(definition: Object) -> str:
    version, kind, metadata = definition["apiVersion"], definition["kind"], definition["metadata"]
    plural, namespaced = next(entry[2:] for entry in KINDS if entry[:2] == (version, kind))
    place = f"/namespaces/{metadata['namespace']}" if namespaced else ""
    return f"{_root(version)}{place}/{plural}/{metadata['name']}"


def _discovery(root: str) -> list[Object]:
    found = [entry for entry in KINDS if _root(entry[0]) == root]
    if not found:
        raise Refused(404, "the server could not find the requested resource")
    verbs = ["create", "delete", "get", "list", "patch"]
    return [
        {"name": plural, "kind": kind, "namespaced": namespaced, "verbs": verbs}
        for _, kind, plural, namespaced in found
    ]


def _groups() -> list[Object]:
    versions = dict.fromkeys(version for version, *_ in KINDS if "/" in version)
    return [_group(*version.split("/")) for version in versions]


def _group(name: str, *versions: str) -> Object:
    return {
        "name": name,
        "versions": [{"groupVersion": f"{name}/{version}", "version": version} for version in versions],
    }


def _knows(root: str, plural: str) -> bool:
    return any((_root(version), name) == (root, plural) for version, _, name, _ in KINDS)


def _field(found: Object, path: str) -> Any:
    for part in path.split("."):
        found = found.get(part, {})
    return found


def _take_out(live: Object, before: Object, now: Object) -> None:
    """Remove what a manager applied before and applies no more."""
    for key, value in before.items():
        if key not in now:
            live.pop(key, None)
        elif isinstance(value, dict) and isinstance(now[key], dict) and isinstance(live.get(key), dict):
            _take_out(live[key], value, now[key])


def _lay_over(live: Object, now: Object) -> None:
    for key, value in now.items():
        if isinstance(value, dict) and isinstance(live.get(key), dict):
            _lay_over(live[key], value)
        else:
            live[key] = copy.deepcopy(value)
