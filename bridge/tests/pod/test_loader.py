"""The code package is fetched whole, though its store breaks off in the middle."""

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import Any

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import IncompleteReadError, ResponseStreamingError

from bridge.tests.lib.local_server import LocalServer
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.pod import loader

BLOB = bytes(range(256)) * 1024
SHA = hashlib.sha1(BLOB).hexdigest()


class BreakingStore(LocalServer):
    """Holds one object, and breaks off in the middle of it for the first so many times."""

    def __init__(self, breaks: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.breaks = breaks
        self.asked = 0


class _Handler(BaseHTTPRequestHandler):
    server: BreakingStore

    def do_GET(self) -> None:
        self.server.asked += 1
        whole = self.server.asked > self.server.breaks
        self.send_response(200)
        self.send_header("Content-Length", str(len(BLOB)))
        self.end_headers()
        self.wfile.write(BLOB if whole else BLOB[: len(BLOB) // 2])

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def serving(breaks: int) -> Iterator[tuple[BreakingStore, Any]]:
    """The store, and a client of it."""
    with BreakingStore(breaks) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            url = f"http://127.0.0.1:{server.server_port}"
            config = Config(signature_version=UNSIGNED, s3={"addressing_style": "path"})
            yield server, boto3.client("s3", endpoint_url=url, region_name="nowhere", config=config)
        finally:
            server.shutdown()
            thread.join()


def test_a_package_whose_download_breaks_off_is_asked_for_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(loader, "_PAUSES", (0, 0))
    with serving(breaks=2) as (server, client):
        assert loader.fetch(client, "s3://bucket/code", SHA) == BLOB
    assert server.asked == 3
    assert capsys.readouterr().err.count("s3://bucket/code: broke off, asked again in 0 s: ") == 2


def test_a_download_that_always_breaks_off_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loader, "_PAUSES", (0, 0))
    with serving(breaks=9) as (server, client), pytest.raises((IncompleteReadError, ResponseStreamingError)):
        loader.fetch(client, "s3://bucket/code", SHA)
    assert server.asked == 3
