"""Lists without pages of large runs: whole, in order, and in little memory."""

from __future__ import annotations

import asyncio
import resource
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from metadata_testbed.api import Api
from metadata_testbed.postgres import PostgresServer
from metadata_testbed.service import Service
from metadata_testbed.stores import Store
from starlette.responses import Response, StreamingResponse

from metadata_service.api import spooling
from metadata_service.domain.refusals import StorageAway, StorageBusy
from metadata_service.domain.selection import Take

TASKS = 25
ARTIFACTS = 1000

Give = Callable[[Take[object]], Awaitable[None]]


def record_many(api: Api, run: str, tasks: int) -> None:
    """A run with so many tasks of ARTIFACTS each; the first task was tried twice."""
    step = api.new_step(run)
    for number in range(tasks):
        task = api.new_task(step)
        for attempt in range(1 + (number == 0)):
            artifacts = [
                {"name": f"a{each:04}", "location": "s3://bucket/" + "x" * 200, "sha": "0" * 40, "attempt_id": attempt}
                for each in range(ARTIFACTS)
            ]
            api.post(task + "/artifact", artifacts)


@pytest.mark.server
def test_a_long_list_is_whole_and_its_pages_are_the_same(api: Api) -> None:
    run = api.new_run()
    record_many(api, run, 4)
    whole = api.get(run + "/artifacts")
    assert len(whole) == 4 * ARTIFACTS
    assert whole == api.get(run + "/steps/start/artifacts")
    assert whole[::-1] == [artifact for page in api.pages(run + "/artifacts", 500) for artifact in page]
    # Of the task that was tried twice, the later attempt.
    assert {artifact["attempt_id"] for artifact in whole[:ARTIFACTS]} == {1}
    assert {artifact["attempt_id"] for artifact in whole[ARTIFACTS:]} == {0}


@pytest.mark.server
@pytest.mark.parametrize("kind", ["postgres", "sqlite"])
def test_a_list_takes_the_same_memory_however_long_it_is(
    kind: str,
    postgres: PostgresServer,
    new_database: Callable[[], str],
    start_service: Callable[..., Service],
    open_api: Callable[[Service], Api],
    tmp_path: Path,
) -> None:
    address = postgres.dsn(new_database()) if kind == "postgres" else tmp_path / "metadata.db"
    service = start_service(address)
    service.wait_until()
    api = open_api(service)
    short, long = api.new_run(), api.new_run()
    record_many(api, short, 2)
    record_many(api, long, TASKS)
    for _ in range(3):
        api.http.get(short + "/artifacts")
    before = service.most_resident_kib()
    answer = api.http.get(long + "/artifacts")
    grown = service.most_resident_kib() - before
    assert len(answer.json()) == TASKS * ARTIFACTS
    assert len(answer.content) > 11 * 2**20
    assert grown < 8 * 1024, f"{grown} KiB for {len(answer.content) // 1024} KiB"


@pytest.mark.server
def test_each_list_that_may_be_long_is_given_in_parts(api: Api, store: Store) -> None:
    run = api.new_run()
    flow, _, number = run.removeprefix("/flows/").split("/")
    task = api.new_task(api.new_step(run))
    count = 2500
    api.post(task + "/metadata", [{"field_name": "n", "value": str(each)} for each in range(count)])
    assert [each["value"] for each in api.get(run + "/metadata")] == [str(each) for each in range(count)]
    for _ in range(count // 100):
        api.new_task(run + "/steps/start")
    assert len(api.get(run + "/steps/start/tasks")) == 1 + count // 100
    store.execute(
        "WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < %(count)s)"
        " INSERT INTO runs_v3 (flow_id, run_number, ts_epoch, tags, system_tags)"
        " SELECT %(flow)s, 1000000 + i, i, '[]', '[]' FROM n",
        {"count": count, "flow": flow},
    )
    numbers = [each["run_number"] for each in api.get(f"/flows/{flow}/runs")]
    assert numbers == [*range(1_000_001, 1_000_001 + count), int(number)]


def answered(give: Give) -> Response:
    return asyncio.run(spooling.answer_spooled(give, {"X-Some": "header"}))


async def text(response: Response) -> bytes:
    if not isinstance(response, StreamingResponse):
        return bytes(response.body)
    return b"".join([bytes(part) async for part in response.body_iterator if not isinstance(part, str)])


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([], b"[]"),
        ([[]], b"[]"),
        ([[1], [], [2, 3]], b"[1,2,3]"),
        ([["x" * 2**20], [1]], b'["' + b"x" * 2**20 + b'",1]'),
    ],
    ids=["nothing", "an empty part", "some parts", "more than is held"],
)
def test_parts_become_one_list(parts: Sequence[Sequence[Any]], expected: bytes) -> None:
    async def give(take: Take[object]) -> None:
        for part in parts:
            take(part)

    async def ask() -> tuple[Response, bytes]:
        response = await spooling.answer_spooled(give, {"X-Some": "header"})
        return response, await text(response)

    response, content = asyncio.run(ask())
    assert content == expected
    assert response.headers["content-length"] == str(len(expected))
    assert response.headers["x-some"] == "header" and response.headers["content-type"] == "application/json"


def test_half_a_list_is_never_answered() -> None:
    async def give(take: Take[object]) -> None:
        take(["x" * 2**21])
        raise StorageAway("The database went away.")

    with pytest.raises(StorageAway):
        answered(give)


def test_a_disk_without_room_is_503() -> None:
    """A limit on the size of files stands for the disk's: the system refuses the write in the same way."""

    async def give(take: Take[object]) -> None:
        take(["x" * 2**21])

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, before[1]))
    try:
        with pytest.raises(StorageBusy, match="_limit"):
            answered(give)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
