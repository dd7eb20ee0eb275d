"""Traces of requests, as a collector gets them."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from metadata_testbed.service import Service
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

pytestmark = pytest.mark.server


class Collector(ThreadingHTTPServer):
    """Takes spans by OTLP over HTTP."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.resources: list[Any] = []

    def spans(self) -> list[Any]:
        return [span for each in self.resources for scope in each.scope_spans for span in scope.spans]


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        assert isinstance(self.server, Collector)
        assert self.path == "/v1/traces"
        self.server.resources += ExportTraceServiceRequest.FromString(body).resource_spans
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *arguments: object) -> None:
        pass


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_each_request_is_a_span_of_its_callers_trace(
    collector: Collector, tmp_path: Path, start_service: Callable[..., Service]
) -> None:
    service = start_service(
        tmp_path / "metadata.db", OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{collector.server_port}"
    )
    service.wait_until()
    trace, parent = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
    headers = {"traceparent": f"00-{trace}-{parent}-01", "x-request-id": "asked"}
    assert httpx.get(service.url + "/flows/Nowhere", headers=headers, timeout=60).status_code == 404
    # The last spans are sent at the end.
    assert service.end() == 0
    (span,) = [span for span in collector.spans() if span.trace_id.hex() == trace]
    assert span.parent_span_id.hex() == parent
    assert span.name == "GET /flows/{flow_id}"
    attributes = {each.key: each.value.string_value or each.value.int_value for each in span.attributes}
    assert attributes == {
        "http.request.method": "GET",
        "http.route": "/flows/{flow_id}",
        "http.response.status_code": 404,
        "url.path": "/flows/Nowhere",
        "tributary.request_id": "asked",
    }
    named = {each.key: each.value.string_value for each in collector.resources[0].resource.attributes}
    assert named["service.name"] == "metadata-service"


def test_a_collector_that_is_away_changes_nothing(tmp_path: Path, start_service: Callable[..., Service]) -> None:
    service = start_service(
        tmp_path / "metadata.db", OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:1", OTEL_EXPORTER_OTLP_TIMEOUT="1"
    )
    service.wait_until()
    assert httpx.get(service.url + "/flows", timeout=60).status_code == 200
    assert service.end() == 0
