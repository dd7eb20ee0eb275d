"""A Kubernetes API server for Secrets, as small as it can be and still speak HTTPS with tokens."""

from __future__ import annotations

import base64
import datetime
import ipaddress
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

TOKEN = "token-of-the-service-account"
NAMESPACE = "platform"
PATH = f"/api/v1/namespaces/{NAMESPACE}/secrets"


class SecretsServer(ThreadingHTTPServer):
    """Keeps Secrets in `held`. `failures` are status codes that the next requests get; `before_create` runs first."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), SecretsRequest)
        self.held: dict[str, dict[str, Any]] = {}
        self.failures: list[int] = []
        self.before_create: Callable[[], None] = lambda: None
        self.requests: list[str] = []

    def value(self, name: str, key: str) -> str:
        return base64.b64decode(self.held[name]["data"][key]).decode()


class SecretsRequest(BaseHTTPRequestHandler):
    server: SecretsServer

    def do_GET(self) -> None:
        if self.admitted():
            found = self.server.held.get(self.path.removeprefix(f"{PATH}/"))
            self.answer(200, found) if found else self.answer(404, {"kind": "Status"})

    def do_POST(self) -> None:
        secret = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.admitted():
            self.server.before_create()
            name = secret["metadata"]["name"]
            if name in self.server.held:
                self.answer(409, {"kind": "Status", "reason": "AlreadyExists"})
            elif "_" in name:
                self.answer(422, {"kind": "Status", "reason": "Invalid", "message": f"refused: {secret}"})
            else:
                plain = secret.pop("stringData")
                secret["data"] = {key: base64.b64encode(value.encode()).decode() for key, value in plain.items()}
                self.server.held[name] = secret
                self.answer(201, secret)

    def admitted(self) -> bool:
        self.server.requests.append(f"{self.command} {self.path}")
        if self.server.failures:
            self.answer(self.server.failures.pop(0), {"kind": "Status"})
        elif self.headers["Authorization"] != f"Bearer {TOKEN}":
            self.answer(401, {"kind": "Status"})
        elif not self.path.startswith(PATH):
            self.answer(403, {"kind": "Status"})
        else:
            return True
        return False

    def answer(self, status: int, content: dict[str, Any]) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing; the tests look at `requests`."""


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that is its own authority, and its key."""
    folder = tmp_path_factory.mktemp("certificate")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, "kubernetes")])
    now = datetime.datetime.now(datetime.timezone.utc)
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    authority, private = folder / "ca.crt", folder / "key.pem"
    authority.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return authority, private


@pytest.fixture
def api_server(certificate: tuple[Path, Path]) -> Iterator[SecretsServer]:
    """A running server with no Secrets."""
    server = SecretsServer()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def service_account(tmp_path: Path, certificate: tuple[Path, Path]) -> Path:
    """The folder that the kubelet mounts into a pod."""
    folder = tmp_path / "serviceaccount"
    folder.mkdir()
    (folder / "token").write_text(TOKEN)
    (folder / "namespace").write_text(NAMESPACE)
    (folder / "ca.crt").write_bytes(certificate[0].read_bytes())
    return folder


@pytest.fixture
def pod(api_server: SecretsServer, service_account: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The environment of a pod beside that API server."""
    monkeypatch.setattr("release_setup.__main__.ACCOUNT", service_account)
    return {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": str(api_server.server_port)}
