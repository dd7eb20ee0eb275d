"""The process: how it starts, ends, and keeps time."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from metadata_testbed.api import Api
from metadata_testbed.postgres import PostgresServer
from metadata_testbed.service import Service

pytestmark = pytest.mark.server

OpenApi = Callable[[Service], Api]

StartService = Callable[..., Service]


def test_a_request_that_is_under_way_is_answered_before_the_end(
    postgres: PostgresServer,
    shared_database: str,
    start_service: StartService,
    open_api: OpenApi,
) -> None:
    service = start_service(postgres.dsn(shared_database))
    service.wait_until()
    api = open_api(service)
    run = api.new_run()
    with postgres.connect(shared_database) as holder, ThreadPoolExecutor(1) as pool:
        holder.execute("BEGIN")
        holder.execute("SELECT FROM runs_v3 WHERE run_number = %s FOR UPDATE", [int(run.rpartition("/")[2])])
        asked = pool.submit(api.patch, run + "/tag/mutate", {"tags_to_add": ["late"]})
        waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
        while postgres.rows(waiting) == [(0,)]:
            assert not asked.done()
        service.ask_to_end()
        # It takes no new connections from now on.
        while True:
            try:
                httpx.get(service.url + "/ping", timeout=5)
            except httpx.TransportError:
                break
        assert service.process.poll() is None
        holder.execute("COMMIT")
        assert asked.result() == {"tags": ["late"]}
    assert service.process.wait(20) == 0


def test_it_ends_also_with_idle_connections_and_without_a_database(start_service: StartService) -> None:
    service = start_service("host=127.0.0.1 port=1 user=u dbname=d")
    service.wait_until("/ping")
    with httpx.Client(base_url=service.url, timeout=60) as client:
        assert client.get("/ping").text == "pong"
        assert service.end() == 0


def test_a_port_that_is_taken_is_told(start_service: StartService) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        service = start_service("host=127.0.0.1 port=1 user=u dbname=d", MF_METADATA_PORT=str(taken.getsockname()[1]))
        assert service.process.wait(60) == 2
    assert "MF_METADATA_PORT: " in service.log_text() and "Address already in use" in service.log_text()


def test_times_are_utc_whatever_the_zones_are(
    postgres: PostgresServer,
    new_database: Callable[[], str],
    start_service: StartService,
    open_api: OpenApi,
) -> None:
    database = new_database()
    postgres.execute(f"ALTER DATABASE {database} SET timezone = 'Asia/Kathmandu'")
    service = start_service(postgres.dsn(database), TZ="America/New_York")
    service.wait_until()
    api = open_api(service)
    run = api.new_run(system_tags=["metaflow_version:2.19.39"])
    task = api.new_task(api.new_step(run))
    api.post(task + "/heartbeat")
    api.post(task + "/metadata", [{"field_name": "x", "value": "y"}])
    now = time.time()
    for found in (api.get(run), api.get(task)):
        assert abs(found["ts_epoch"] / 1000 - now) < 60
        assert abs(found["last_heartbeat_ts"] - now) < 60
    assert abs(api.get(task + "/metadata")[0]["ts_epoch"] / 1000 - now) < 60
    assert [found["run_number"] for found in api.get(run.rpartition("/")[0], {"status": "running"})] == [
        int(run.rpartition("/")[2])
    ]
    assert all(line["time"].endswith("+00:00") for line in service.log_lines())


def test_a_large_body_does_not_hold_up_others(api: Api) -> None:
    """Requests of others are answered while it is on its way and is read; upstream's stall outlasts their patience."""
    task = api.new_task()
    body = b'[{"field_name": "x", "value": "' + b"x" * 8_000_000 + b'"}]'
    with ThreadPoolExecutor(1) as pool, httpx.Client(base_url=api.http.base_url, timeout=10) as other:
        sent = pool.submit(api.http.post, task + "/metadata", content=body)
        while not sent.done():
            assert other.get("/ping").text == "pong"
    assert sent.result().status_code == 200


def test_an_answer_is_not_held_back_by_the_network_stack(api: Api) -> None:
    """Nagle's algorithm would add 40 ms to each answer on a connection that is kept, but for the first few. So what
    the first answer of a connection takes tells what this machine takes without it.
    """

    def seconds(**headers: str) -> float:
        started = time.perf_counter()
        assert api.http.get("/ping", headers=headers).text == "pong"
        return time.perf_counter() - started

    first = min(seconds(connection="close") for _ in range(20))
    assert min([seconds() for _ in range(100)][50:]) < first + 0.03


def test_a_slow_body_holds_up_nobody(service: Service, api: Api) -> None:
    with socket.create_connection(("127.0.0.1", service.port)) as slow:
        slow.sendall(b"POST /flows/Slow HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
        assert api.http.get("/ping").text == "pong"
        assert api.get(api.new_flow())
    api.get("/flows/Slow", status=404)


def test_it_starts_fast_and_stays_small(
    postgres: PostgresServer,
    shared_database: str,
    start_service: StartService,
    open_api: OpenApi,
) -> None:
    """The start in seconds of work, which other processes hardly make longer, against what this machine needs to
    import the libraries alone.
    """
    imports = "import psycopg, psycopg_pool, starlette.applications, uvicorn, time; print(time.process_time())"
    libraries = float(subprocess.run([sys.executable, "-c", imports], check=True, capture_output=True).stdout)
    service = start_service(postgres.dsn(shared_database))
    service.wait_until()
    assert service.cpu_seconds() < 3 * libraries
    api = open_api(service)
    run = api.new_run()
    step = api.new_step(run)
    for _ in range(20):
        task = api.new_task(step)
        api.post(task + "/artifact", [{"name": f"a{number}", "location": "x" * 200} for number in range(100)])
    assert len(api.get(run + "/artifacts")) == 2000
    assert service.resident_kib() < 100 * 1024
