"""Traces of requests, sent by OpenTelemetry's protocol to where the environment says."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_NAME = "metadata-service"

End = Callable[[], None]


def traced(app: ASGIApp, environ: Mapping[str, str]) -> tuple[ASGIApp, End]:
    """The application with a span for each request, and what sends the last of them.

    Without an endpoint in the environment it is the application as it was. All else of OpenTelemetry is set by its own
    variables, such as OTEL_SERVICE_NAME and OTEL_TRACES_SAMPLER.
    """
    if not any(environ.get(name) for name in _ENDPOINTS):
        return app, lambda: None
    # Not imported by those who send no traces: it takes some 15 MiB.
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.propagate import extract
    from opentelemetry.sdk.resources import SERVICE_NAME, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.trace import SpanKind, StatusCode

    named = Resource.create({} if environ.get("OTEL_SERVICE_NAME") else {SERVICE_NAME: _NAME})
    provider = TracerProvider(resource=named)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    tracer = provider.get_tracer(_NAME)

    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        # The trace that the caller says the request belongs to.
        parent = extract(dict(Headers(scope=scope)))
        method = scope["method"]
        with tracer.start_as_current_span(method, parent, SpanKind.SERVER) as span:

            async def noted(message: Message) -> None:
                if message["type"] == "http.response.start":
                    status = message["status"]
                    span.set_attribute("http.response.status_code", status)
                    if status >= 500:
                        span.set_status(StatusCode.ERROR)
                await send(message)

            span.set_attribute("http.request.method", method)
            span.set_attribute("url.path", scope["path"])
            try:
                await app(scope, receive, noted)
            finally:
                span.set_attribute("tributary.request_id", scope.get("request_id", ""))
                if route := scope.get("template"):
                    span.set_attribute("http.route", route)
                    span.update_name(f"{method} {route}")

    return call, provider.shutdown
