"""What the UI's container is told, and what it is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from metadata_service.settings import DatabaseSettings
from ui_backend.api.operations import ROUTES
from ui_backend.settings import KNOWN, Settings

if TYPE_CHECKING:
    from charts.tests.conftest import Chart


def containers(objects: list[dict[str, Any]]) -> list[dict[str, Any]]:
    (found,) = (each for each in objects if each["kind"] == "Deployment" and each["metadata"]["name"] == "probe-ui")
    of_pod: list[dict[str, Any]] = found["spec"]["template"]["spec"]["containers"]
    return of_pod


@pytest.mark.parametrize("tokens", [False, True])
def test_the_ui_reads_where_the_release_writes_and_lets_in_whom_the_service_lets_in(chart: Chart, tokens: bool) -> None:
    auth = {"tokens": True, "trustedHeader": "x-user", "trustedProxies": ["10.0.0.0/8"]}
    values = {
        "metadataService": {"auth": auth if tokens else {"tokens": False}},
        "ui": {"prefix": "/metaflow", "kubeflowUrl": "https://kubeflow.example.org/_/pipeline/"},
        "objectStore": {"bucket": "ours", "prefix": "deep/er"},
    }
    (container,) = containers(chart.render(values))
    given = {variable["name"]: variable.get("value", "what a Secret of theirs holds") for variable in container["env"]}
    settings = Settings.from_environ(given)
    keys = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}
    assert given.keys() - KNOWN.keys() == keys
    assert settings.port == container["ports"][0]["containerPort"]
    assert isinstance(settings.database, DatabaseSettings)
    assert settings.database.address == "probe-database.platform.svc:5432/metaflow"
    assert (settings.datastore.s3_root, settings.datastore.s3_endpoint) == (
        "s3://ours/deep/er",
        "http://probe-object-store.platform.svc:9000",
    )
    assert settings.access.tokens == bool(settings.access.write_digest) == tokens
    assert (settings.pages.prefix, settings.pages.kubeflow) == ("/metaflow", "https://kubeflow.example.org/_/pipeline")


def test_the_ui_is_asked_what_it_answers(chart: Chart) -> None:
    (container,) = containers(chart.render())
    probes = {container[probe]["httpGet"]["path"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")}
    assert probes <= {f"/api{route.path}" for route in ROUTES}
    assert probes == {"/api/ping", "/api/readyz"}
