"""Requests that schemathesis makes up from the OpenAPI description: as described, and almost so.

Each is sent twice, the second time to objects that exist. Each answer is held against the description: it has no 5xx.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.strategies import SearchStrategy
from metadata_testbed.api import Api
from metadata_testbed.service import Service
from schemathesis.core.result import Ok
from schemathesis.generation import GenerationMode

from metadata_service.api.application import description

pytestmark = pytest.mark.server

_ADMIN = "an admin token of the settings"

Case: TypeAlias = schemathesis.Case[Any]

OPERATIONS = {
    found.ok().label: found.ok()
    for found in schemathesis.openapi.from_dict(description()).get_all_operations()
    if isinstance(found, Ok)
}

# What takes none of these cannot be asked in a way that the description does not allow: any text is a segment.
_CAN_BE_WRONG = [name for name, each in OPERATIONS.items() if each.body or each.query or "attempt_id" in each.path]


def cases(operation: str) -> SearchStrategy[Case]:
    strategy: SearchStrategy[Case] = OPERATIONS[operation].as_strategy(generation_mode=GenerationMode("positive"))
    if operation in _CAN_BE_WRONG:
        strategy |= OPERATIONS[operation].as_strategy(generation_mode=GenerationMode("negative"))
    return strategy


def bounded(examples: int, *, repeatable: bool) -> Callable[[Any], Any]:
    return settings(
        max_examples=examples,
        deadline=None,
        derandomize=repeatable,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


@pytest.fixture(scope="module")
def api(request: pytest.FixtureRequest, setting: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """As one who may do everything, of a service that asks who it is: so its own routes are there too."""
    folder = tmp_path_factory.mktemp("fuzz")
    address: Path | str = folder / "metadata.db"
    if setting.store == "postgres":
        address = request.getfixturevalue("postgres").create_database(f"fuzz_{setting.zone}")
    service = Service(
        folder / "log", address, TZ=setting.zone, MF_METADATA_AUTH="tokens", MF_METADATA_ADMIN_TOKEN=_ADMIN
    )
    service.wait_until()
    client = Api(service.url)
    client.http.headers["x-api-key"] = _ADMIN
    yield client
    client.http.close()
    assert service.end() == 0
    assert [line for line in service.log_lines() if "traceback" in line] == []


@pytest.fixture(scope="module")
def existing(api: Api) -> dict[str, str]:
    """Segments of objects that exist."""
    api.post("/flows/Fuzz")
    task = api.new_task(api.new_step(api.new_run("/flows/Fuzz", run_number="1x")), task_id="t")
    api.post(task + "/artifact", [{"name": "name"}])
    token = api.post("/tokens", {"name": "fuzz", "scope": "read"})
    return {
        "token_id": token["token_id"],
        "flow_id": "Fuzz",
        "run_number": "1x",
        "step_name": "start",
        "task_id": "t",
        "artifact_name": "name",
        "attempt_id": "0",
    }


def send(api: Api, case: Case, existing: dict[str, str]) -> None:
    """Send it as it is, and to objects that exist. Raises AssertionError for an answer that is not described."""
    request = case.as_transport_kwargs(base_url="http://service")
    content = request.get("data")
    if "json" in request:
        # Numbers that JSON has not, as Python's own client would send them.
        content = json.dumps(request["json"])
    path = request["url"].removeprefix("http://service")
    for target in dict.fromkeys([path, case.path.format_map(existing)]):
        api.http.request(request["method"], target, params=request.get("params"), content=content)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_whatever_is_sent_the_answer_is_described(api: Api, existing: dict[str, str], operation: str) -> None:
    @bounded(40, repeatable=True)
    @given(cases(operation))
    def fuzz(case: Case) -> None:
        send(api, case, existing)

    fuzz()


@pytest.mark.long
@pytest.mark.parametrize("operation", OPERATIONS)
def test_other_requests_each_time(api: Api, existing: dict[str, str], operation: str) -> None:
    @bounded(150, repeatable=False)
    @given(cases(operation))
    def fuzz(case: Case) -> None:
        send(api, case, existing)

    fuzz()
