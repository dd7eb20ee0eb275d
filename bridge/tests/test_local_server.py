"""What the servers of these tests do when a client hangs up, and when a handler is wrong."""

import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection, HTTPSConnection, RemoteDisconnected
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from bridge.tests.lib import kubeflow, kubernetes
from bridge.tests.lib.flaky_store import FlakyStore
from bridge.tests.lib.local_server import LocalServer

Served = Callable[[Path], Iterator[HTTPConnection]]


@pytest.fixture(autouse=True)
def _closing_waits_for_the_handlers(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a handler prints is printed when its server is closed."""
    monkeypatch.setattr(LocalServer, "daemon_threads", False)


def kubeflow_pipelines(_folder: Path) -> Iterator[HTTPConnection]:
    with kubeflow.serving(kubeflow.Kubeflow()) as served:
        yield HTTPConnection(urlsplit(served.url).netloc)


def kubernetes_api(folder: Path) -> Iterator[HTTPConnection]:
    with kubernetes.serving(kubernetes.Kubernetes(folder)) as served:
        context = ssl.create_default_context(cafile=folder / "ca.crt")
        yield HTTPSConnection(urlsplit(served.url).netloc, context=context)


def flaky_store(_folder: Path) -> Iterator[HTTPConnection]:
    with FlakyStore("http://127.0.0.1:9", refusals=1) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield HTTPConnection("127.0.0.1", server.server_port)
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("served", [kubeflow_pipelines, kubernetes_api, flaky_store])
def test_a_client_that_hangs_up_is_not_printed(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    gone = threading.Event()

    def hang_up(handler: BaseHTTPRequestHandler, *arguments: Any) -> None:
        """The connection is reset when the request has been read and nothing of its answer is sent."""
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
        send_response(handler, *arguments)
        gone.set()

    send_response = BaseHTTPRequestHandler.send_response
    monkeypatch.setattr(BaseHTTPRequestHandler, "send_response", hang_up)
    with contextmanager(served)(tmp_path) as client:
        client.request("GET", "/")
        assert gone.wait(60)
    assert capsys.readouterr().err == ""


def test_another_error_of_a_handler_is_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def wrong(*_: object) -> None:
        raise ValueError("the handler is wrong")

    with kubeflow.serving(kubeflow.Kubeflow()) as served:
        monkeypatch.setattr(served, "answer", wrong)
        with closing(HTTPConnection(urlsplit(served.url).netloc)) as client:
            client.request("GET", "/")
            with pytest.raises(RemoteDisconnected):
                client.getresponse()
    assert "ValueError: the handler is wrong" in capsys.readouterr().err


def test_a_flaky_store_refuses_a_question_for_the_head_without_a_body(tmp_path: Path) -> None:
    with contextmanager(flaky_store)(tmp_path) as client:
        client.connect()
        client.sock.sendall(b"HEAD / HTTP/1.1\r\nHost: store\r\nConnection: close\r\n\r\n")
        with closing(client), client.sock.makefile("rb") as answer:
            said = answer.read()
    assert said.startswith(b"HTTP/1.1 503 ") and said.endswith(b"\r\n\r\n")
