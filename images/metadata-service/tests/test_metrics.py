"""Numbers for Prometheus, on each store."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from metadata_testbed.api import Api
from metadata_testbed.service import Service
from metadata_testbed.stores import Store
from prometheus_client.parser import text_string_to_metric_families

pytestmark = pytest.mark.server

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def samples(api: Api) -> Samples:
    answer = api.http.get("/metrics")
    assert answer.status_code == 200
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def requests(found: Samples, method: str, route: str, status: str) -> float:
    labels = (("method", method), ("route", route), ("status", status))
    return found.get(("metadata_service_request_seconds_count", labels), 0)


def test_requests_are_counted_by_route_and_status(api: Api) -> None:
    run = api.new_run()
    before = samples(api)
    api.get(run)
    api.get(run + "9999", status=404)
    api.http.get("/nowhere")
    api.http.request("PROPFIND", "/nowhere")
    after = samples(api)

    def more(method: str, route: str, status: str) -> float:
        return requests(after, method, route, status) - requests(before, method, route, status)

    assert more("GET", "/flows/{flow_id}/runs/{run_number}", "200") == 1
    assert more("GET", "/flows/{flow_id}/runs/{run_number}", "404") == 1
    assert more("GET", "none", "404") == more("other", "none", "404") == 1
    assert not [key for key in after if run in str(key)]


def test_the_database_and_runs_are_counted(
    store: Store, start_service: Callable[..., Service], open_api: Callable[[Service], Api]
) -> None:
    service = start_service(store.address)
    service.wait_until()
    api = open_api(service)
    run = api.new_run(system_tags=["metaflow_version:2.19.39"])
    failed = api.new_run()
    end = api.new_task(api.new_step(failed, "end"))
    api.post(end + "/metadata", [{"field_name": "attempt_ok", "value": "False"}])
    found = samples(api)
    assert found[("metadata_service_database_up", ())] == 1
    assert found[("metadata_service_recent_runs", (("status", "running"),))] >= 1
    assert found[("metadata_service_recent_runs", (("status", "failed"),))] >= 1
    assert ("metadata_service_recent_runs", (("status", "completed"),)) in found
    assert ("metadata_service_rows", (("of", "runs"),)) in found
    assert found[("metadata_service_database_load", (("of", "connections"),))] >= 1
    assert found[("process_resident_memory_bytes", ())] > 10**7
    assert api.get(run)


def test_while_the_database_is_away_the_rest_is_there(
    start_service: Callable[..., Service], open_api: Callable[[Service], Api]
) -> None:
    service = start_service("host=127.0.0.1 port=1 user=u dbname=d")
    service.wait_until("/ping")
    found = samples(open_api(service))
    assert found[("metadata_service_database_up", ())] == 0
    assert requests(found, "GET", "/ping", "200") >= 1
