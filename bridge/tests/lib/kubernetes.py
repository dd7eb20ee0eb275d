"""A Kubernetes API on this machine: a real HTTPS server with the routes that a gang's driver uses, in memory.

Paths, fields and error bodies are those of the API server 1.34. There is no controller behind it but this one: a Job or
JobSet gets its pods at once, and whoever tests says how they fare.
"""

import json
import re
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from bridge.tests.lib.local_server import LocalServer

Json = dict[str, Any]

TOKEN = "token-of-the-account"
INDEX = "batch.kubernetes.io/job-completion-index"

_OBJECT = re.compile(r"/(?:api/v1|apis/[^/]+/[^/]+)/namespaces/[^/]+/[a-z]+/[^/]+")
_COLLECTION = re.compile(r"/(?:api/v1|apis/[^/]+/[^/]+)/namespaces/([^/]+)/([a-z]+)")


class Answer(Exception):
    """An answer that is not 200 or 201: status, and body as text."""

    def __init__(self, status: int, body: str) -> None:
        super().__init__(body)
        self.status, self.body = status, body


def status(code: int, reason: str, message: str) -> Answer:
    """Kubernetes' own error object."""
    said = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, "reason": reason}
    return Answer(code, json.dumps({**said, "code": code}))


@dataclass
class Kubernetes:
    """What the server holds, by path, and what it was asked.

    `failures` are given to requests that begin with `failing`, `lost` answers to requests that were carried out.
    `on_pod` is called with every new pod of a gang, `on_delete` with the path of every object deleted, `on_watch` when
    a watch begins.
    """

    folder: Path
    jobsets: bool = False
    objects: dict[str, Json] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    failures: list[Answer] = field(default_factory=list)
    failing: str = ""
    lost: list[str] = field(default_factory=list)
    on_pod: Callable[[Json], None] = lambda _pod: None
    on_delete: Callable[[str], None] = lambda _path: None
    on_watch: Callable[[], None] = lambda: None
    port: int = 0
    closing: bool = False

    def __post_init__(self) -> None:
        self.changed = threading.Condition(threading.RLock())
        self.events: list[tuple[int, str, str, Json]] = []
        self.version = 1

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    def put(self, path: str, body: Json) -> None:
        """Let an object be as it is given, and tell those who watch."""
        with self.changed:
            kind = "MODIFIED" if path in self.objects else "ADDED"
            self._note(kind, path, body)

    def take(self, path: str) -> None:
        """Let an object be gone, its pods with it, and tell those who watch."""
        with self.changed:
            gone = self.objects[path]
            for other, each in list(self.objects.items()):
                owners = each["metadata"].get("ownerReferences", [])
                if any(owner["uid"] == gone["metadata"].get("uid") for owner in owners):
                    self.take(other)
            self._note("DELETED", path, gone)
            del self.objects[path]
            self.on_delete(path)

    def pods(self) -> dict[int, Json]:
        """The pods of gangs, by index."""
        with self.changed:
            pods = [each for path, each in self.objects.items() if "/pods/" in path]
            return {
                int(each["metadata"]["annotations"][INDEX]): each
                for each in pods
                if INDEX in each["metadata"].get("annotations", {})
            }

    def report(self, index: int, phase: str, state: Json | None = None, **more: Any) -> None:
        """Let the pod of this index be in that phase, its container in that state."""
        with self.changed:
            pod = self.pods()[index]
            statuses = {"containerStatuses": [{"name": "main", "state": state}]} if state else {}
            self.put(_path_of(pod), {**pod, "status": {"phase": phase, **statuses, **more}})

    def answer(self, method: str, target: str, body: bytes) -> tuple[int, Json]:
        """Carry the request out; gives status and body, raises Answer for an error."""
        split = urlsplit(target)
        query = {name: values[0] for name, values in parse_qs(split.query).items()}
        with self.changed:
            self.asked.append(f"{method} {split.path}")
            if self.failures and self.asked[-1].startswith(self.failing):
                raise self.failures.pop(0)
            code, said = self._carry_out(method, split.path, query, body)
            if self.asked[-1] in self.lost:
                self.lost.remove(self.asked[-1])
                raise Answer(502, "<html>Bad Gateway</html>")
            return code, said

    def _carry_out(self, method: str, path: str, query: Json, body: bytes) -> tuple[int, Json]:
        if path == "/apis":
            names = ["batch/v1", *(["jobset.x-k8s.io/v1alpha2"] if self.jobsets else [])]
            groups = [{"name": name.split("/")[0], "versions": [{"groupVersion": name}]} for name in names]
            return 200, {"kind": "APIGroupList", "groups": groups}
        if path.endswith("/jobsets") and not self.jobsets:
            raise Answer(404, "404 page not found")
        if match := _COLLECTION.fullmatch(path):
            return (
                self._create(path, match[1], json.loads(body)) if method == "POST" else (200, self._list(path, query))
            )
        if not _OBJECT.fullmatch(path):
            raise Answer(404, "404 page not found")
        if path not in self.objects:
            kind, name = path.split("/")[-2:]
            raise status(404, "NotFound", f'{kind} "{name}" not found')
        if method == "DELETE":
            assert query["propagationPolicy"] == "Background"
            self.take(path)
            return 200, {"kind": "Status", "status": "Success"}
        return 200, self.objects[path]

    def _create(self, path: str, namespace: str, body: Json) -> tuple[int, Json]:
        name = body["metadata"]["name"]
        if f"{path}/{name}" in self.objects:
            raise status(409, "AlreadyExists", f'{path.rsplit("/", 1)[-1]} "{name}" already exists')
        made = {**body, "metadata": {**body["metadata"], "namespace": namespace, "uid": f"uid-{name}-{self.version}"}}
        self.put(f"{path}/{name}", made)
        match body["kind"]:
            case "Job":
                self._start(made, body["spec"], f"{name}-{{}}")
            case "JobSet":
                (only,) = body["spec"]["replicatedJobs"]
                self._start(made, only["template"]["spec"], f"{name}-{only['name']}-0-{{}}")
        return 201, made

    def _start(self, owner: Json, spec: Json, host: str) -> None:
        assert spec["completionMode"] == "Indexed" and spec["parallelism"] == spec["completions"]
        template = spec["template"]
        for index in range(spec["completions"]):
            metadata = {
                "name": f"{host.format(index)}-x{index}yz",
                "namespace": owner["metadata"]["namespace"],
                "labels": template["metadata"]["labels"],
                "annotations": {**template["metadata"]["annotations"], INDEX: str(index)},
                "ownerReferences": [{"kind": owner["kind"], "uid": owner["metadata"]["uid"]}],
            }
            pod = {"metadata": metadata, "spec": {**template["spec"], "hostname": host.format(index)}}
            self.put(_path_of(pod), {**pod, "status": {"phase": "Pending"}})
            self.on_pod(pod)

    def _list(self, path: str, query: Json) -> Json:
        found = [
            each for place, each in self.objects.items() if place.rsplit("/", 1)[0] == path and _chosen(each, query)
        ]
        return {"kind": "List", "metadata": {"resourceVersion": str(self.version)}, "items": found}

    def watch(self, target: str) -> Iterator[Json]:
        """The events that a watch gets, until its time is up."""
        split = urlsplit(target)
        query = {name: values[0] for name, values in parse_qs(split.query).items()}
        known = int(query["resourceVersion"])
        until = datetime.now() + timedelta(seconds=int(query["timeoutSeconds"]))
        while datetime.now() < until and not self.closing:
            with self.changed:
                if self.version <= known:
                    self.changed.wait(timeout=0.5)
                news = [each for each in self.events if each[0] > known]
                known = self.version
            for _version, kind, path, body in news:
                if path.rsplit("/", 1)[0] == split.path and _chosen(body, query):
                    yield {"type": kind, "object": body}

    def _note(self, kind: str, path: str, body: Json) -> None:
        self.objects[path] = body
        self.version += 1
        self.events.append((self.version, kind, path, body))
        self.changed.notify_all()


def _path_of(body: Json) -> str:
    """The path of a pod."""
    metadata = body["metadata"]
    return f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}"


def _chosen(body: Json, query: Json) -> bool:
    wanted = [pair.split("=") for pair in query.get("labelSelector", "").split(",") if pair]
    return all(body["metadata"].get("labels", {}).get(name) == value for name, value in wanted)


class _Server(LocalServer):
    kubernetes: Kubernetes


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def do_GET(self) -> None:
        """One request to its answer."""
        kubernetes = self.server.kubernetes
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.headers["Authorization"] != f"Bearer {TOKEN}":
            self._send(401, status(401, "Unauthorized", "Unauthorized").body)
        elif "watch=1" in self.path:
            self._stream(kubernetes)
        else:
            try:
                code, answer = kubernetes.answer(self.command, self.path, body)
            except Answer as answered:
                self._send(answered.status, answered.body)
            else:
                self._send(code, json.dumps(answer))

    do_POST = do_DELETE = do_GET

    def log_message(self, *_: object) -> None:
        """Nothing: a test says what it needs."""

    def _send(self, code: int, body: str) -> None:
        data = body.encode()
        self.send_response(code)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _stream(self, kubernetes: Kubernetes) -> None:
        kubernetes.asked.append(f"WATCH {urlsplit(self.path).path}")
        if kubernetes.failures and kubernetes.failing == "WATCH":
            failure = kubernetes.failures.pop(0)
            self._send(failure.status, failure.body)
            return
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        kubernetes.on_watch()
        try:
            for event in kubernetes.watch(self.path):
                line = json.dumps(event).encode() + b"\n"
                self.wfile.write(f"{len(line):x}\r\n".encode() + line + b"\r\n")
            self.wfile.write(b"0\r\n\r\n")
        except OSError:
            # Whoever watched has seen enough.
            self.close_connection = True


@contextmanager
def serving(kubernetes: Kubernetes) -> Iterator[Kubernetes]:
    """The API at kubernetes.url; token and ca.crt of an account lie in its folder."""
    key_file = certify(kubernetes.folder)
    (kubernetes.folder / "token").write_text(TOKEN)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(kubernetes.folder / "ca.crt", key_file)
    server = _Server(("127.0.0.1", 0), _Handler)
    server.kubernetes = kubernetes
    server.socket = context.wrap_socket(server.socket, server_side=True)
    kubernetes.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield kubernetes
    finally:
        with kubernetes.changed:
            kubernetes.closing = True
            kubernetes.changed.notify_all()
        server.shutdown()
        server.server_close()
        thread.join()


def certify(folder: Path) -> Path:
    """Write ca.crt, a certificate for 127.0.0.1 that vouches for itself; gives the file of its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "kubernetes")])
    now = datetime.now(timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "ca.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    kept = folder / "key.pem"
    form = serialization.PrivateFormat.PKCS8
    kept.write_bytes(key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()))
    return kept
