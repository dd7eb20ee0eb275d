"""Older Metaflows against the service, on each store: each tells of a run what it tells with local metadata."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from metadata_testbed.laptop import Laptop, comparable
from metadata_testbed.postgres import PostgresServer
from metadata_testbed.service import Service

from bridge.tests.lib.older_metaflow import VERSIONS, python_of

pytestmark = [pytest.mark.server, pytest.mark.slow, pytest.mark.long]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("store", ["postgres", "sqlite"])
def test_runs_are_the_same_as_with_local_metadata(
    version: str,
    store: str,
    postgres: PostgresServer,
    new_database: Callable[[], str],
    start_service: Callable[..., Service],
    tmp_path: Path,
) -> None:
    python = python_of(version)
    service = start_service(postgres.dsn(new_database()) if store == "postgres" else tmp_path / "metadata.db")
    service.wait_until()
    local = Laptop(tmp_path / "local", python, METAFLOW_DEFAULT_METADATA="local")
    remote = Laptop(tmp_path / "remote", python, METAFLOW_DEFAULT_METADATA="service", METAFLOW_SERVICE_URL=service.url)
    installed = "import metaflow; print(metaflow.__version__)"
    assert remote.python("-c", installed).splitlines()[-1].startswith(version)
    told = []
    for laptop in (local, remote):
        run = laptop.flow("service_flow.py", "run", "--tag", "first", "--tag", "second")
        laptop.flow("service_flow.py", "tag", "add", "--run-id", run, "third")
        failed = laptop.flow("resumed_flow.py", "run", code=1, MAKER="first")
        resumed = laptop.flow("resumed_flow.py", "resume", "--origin-run-id", failed, MAKER="second")
        descriptions = [laptop.describe(f"ServiceFlow/{run}"), laptop.describe(f"ResumedFlow/{resumed}")]
        assert all(described["successful"] for described in descriptions)
        told.append([(comparable(described), described["user_tags"]) for described in descriptions])
    assert told[0] == told[1]
    assert told[1][0][1] == ["first", "second", "third"]
    assert service.end() == 0
    lines = service.log_lines()
    assert not [line for line in lines if line.get("status", 0) >= 500 and line["path"] != "/readyz"]
