"""Numbers for Prometheus: requests and their times, connections to the database, rows, runs by status."""

from __future__ import annotations

import time
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Histogram, PlatformCollector, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import Response

from metadata_service.api.routing import Operation, PlainText
from metadata_service.domain.refusals import StorageAway
from metadata_service.storage.interface import Census, Storage

# From a read by key to a list of a large run.
_BUCKETS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 30)

_METHODS = frozenset({"GET", "HEAD", "POST", "PATCH", "DELETE"})

_CENSUS_SECONDS = 30.0
"""How long the numbers of the database count. Several scrapers ask it no more often than one."""


class Metrics:
    """All numbers of one service."""

    def __init__(self, storage: Storage) -> None:
        self._registry = CollectorRegistry()
        self._storage = storage
        self._census: Census | None = None
        self._counted_at = float("-inf")
        self._seconds = Histogram(
            "metadata_service_request_seconds",
            "How long requests took until their answer was sent.",
            ["method", "route", "status"],
            buckets=_BUCKETS,
            registry=self._registry,
        )
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        self._registry.register(_Asked(self._of_the_store))

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        """One request was answered. The route is its template: paths would be without number."""
        # Clients may make methods up, and each would be another series.
        method = method if method in _METHODS else "other"
        self._seconds.labels(method, route, str(status)).observe(seconds)

    async def text(self) -> bytes:
        """All numbers in Prometheus' format. Those of the database are missing while it is away."""
        now = time.monotonic()
        if self._census is None or now - self._counted_at > _CENSUS_SECONDS:
            self._counted_at = now
            try:
                self._census = await self._storage.count()
            except StorageAway:
                self._census = None
        return generate_latest(self._registry)

    def _of_the_store(self) -> list[Metric]:
        up = GaugeMetricFamily("metadata_service_database_up", "Whether the database answered when asked.")
        up.add_metric([], float(self._census is not None))
        load = GaugeMetricFamily("metadata_service_database_load", "Connections and who waits for one.", labels=["of"])
        for name, value in self._storage.load().items():
            load.add_metric([name], value)
        rows = GaugeMetricFamily("metadata_service_rows", "Rows of a table, about.", labels=["of"])
        runs = GaugeMetricFamily(
            "metadata_service_recent_runs",
            "Runs of the last day by status; of more than a thousand the newest.",
            labels=["status"],
        )
        if self._census is not None:
            for name, count in self._census.rows.items():
                rows.add_metric([name], count)
            for name, count in self._census.recent_runs.items():
                runs.add_metric([name], count)
        return [up, load, rows, runs]


class _Asked(Collector):
    """Numbers that are made when they are asked for."""

    def __init__(self, make: Callable[[], list[Metric]]) -> None:
        self._make = make

    def collect(self) -> list[Metric]:
        return self._make()

    def describe(self) -> list[Metric]:
        # Otherwise registering would ask.
        return []


async def metrics(request: Request) -> Response:
    """Numbers for Prometheus."""
    found: Metrics = request.app.state.metrics
    return Response(await found.text(), media_type=CONTENT_TYPE_LATEST)


ROUTES = [Operation("GET", "/metrics", metrics, needs=None, gives=PlainText)]
