"""What a client meets on this machine: metadata service, Kubeflow Pipelines, UI, an object store that knows one key."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

LISTING = b'<?xml version="1.0"?><ListBucketResult><Name>metaflow</Name><KeyCount>0</KeyCount></ListBucketResult>'
DENIED = b'<?xml version="1.0"?><Error><Code>AccessDenied</Code><Message>no</Message></Error>'
HEALTHY = b'{"tag_name": "2.16.1", "multi_user": false}'


class LaptopEndpoints:
    """One server for all of them. Tests change what it answers, and look at what it was asked."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[int, bytes]] = {
            "/ping": (200, b"pong"),
            "/apis/v2beta1/healthz": (200, HEALTHY),
            "/metaflow-ui/api/ping": (200, b"pong"),
        }
        # Where the answer of a path sends on to.
        self.locations: dict[str, str] = {}
        # The access key that opens the bucket; None for any.
        self.access_key: Callable[[], str | None] = lambda: None
        self.asked: list[str] = []
        # How many requests to answer with 503 before anything else.
        self.busy = 0
        # On every address: an API server refuses to pass a request on to a loopback one.
        self._server = ThreadingHTTPServer(("0.0.0.0", 0), type("Handler", (_Handler,), {"endpoints": self}))
        self.port: int = self._server.server_port
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> LaptopEndpoints:
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def answer(self, path: str, authorization: str) -> tuple[int, bytes]:
        """Status and body for one path."""
        self.asked.append(path)
        if self.busy:
            self.busy -= 1
            return 503, b""
        if path.split("/")[1] != "metaflow":
            return self.answers.get(path, (404, b""))
        signed = re.search(r"Credential=([^/]+)/", authorization)
        wanted = self.access_key()
        return (200, LISTING) if signed and wanted in (None, signed[1]) else (403, DENIED)


class _Handler(BaseHTTPRequestHandler):
    endpoints: LaptopEndpoints
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        status, body = self.endpoints.answer(self.path.partition("?")[0], self.headers.get("Authorization", ""))
        self.send_response(status)
        if location := self.endpoints.locations.get(self.path.partition("?")[0]):
            self.send_header("Location", location)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing: the paths are kept."""
