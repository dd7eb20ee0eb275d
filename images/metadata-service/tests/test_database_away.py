"""What clients see while the database is away, and after it came back."""

from __future__ import annotations

import json
from collections.abc import Callable

import httpx
import pytest
from metadata_testbed.api import Api
from metadata_testbed.postgres import PostgresServer
from metadata_testbed.service import Service, run_command

pytestmark = pytest.mark.server

OpenApi = Callable[[Service], Api]

StartService = Callable[..., Service]


def end_sessions(postgres: PostgresServer, database: str) -> None:
    """End all sessions of the database, and return when they are gone."""
    # A worker of the server's own would be gone before its turn, and comes again whenever it likes.
    of_clients = "FROM pg_stat_activity WHERE datname = %(name)s AND backend_type = 'client backend'"
    asked = postgres.rows(f"SELECT pid, pg_terminate_backend(pid, 60000) {of_clients}", {"name": database})
    left = {pid for (pid,) in postgres.rows(f"SELECT pid {of_clients}", {"name": database})}
    # One that had just ended by itself was not ended by this, and is gone all the same.
    assert [pid for pid, ended in asked if not ended and pid in left] == []


def test_killed_between_two_requests_nothing_is_lost(
    own_postgres: PostgresServer, start_service: StartService, open_api: OpenApi
) -> None:
    service = start_service(own_postgres.dsn(), MF_METADATA_DB_TIMEOUT="1")
    service.wait_until()
    api = open_api(service)
    task = api.new_task(api.new_step(api.new_run(run_number="kfp-1")), task_id="t-1")
    api.post(task + "/metadata", [{"field_name": "before", "value": "1"}])

    own_postgres.kill()
    for response in (
        api.http.get(task),
        api.http.get("/flows"),
        api.http.post(task + "/metadata", json=[{"field_name": "lost", "value": "1"}]),
        api.http.post(task + "/artifact", json=[{"name": "lost"}]),
        api.http.post(task + "/heartbeat", content=b"{}"),
        api.http.get("/readyz"),
        api.http.get("/healthcheck"),
    ):
        assert response.status_code == 503, response.text
        assert "database" in response.json()["message"]
    assert api.http.get("/ping").text == "pong"

    own_postgres.start()
    service.wait_until()
    assert api.post(task + "/metadata", [{"field_name": "after", "value": "1"}]) == {"metadata_created": 1}
    assert [one["field_name"] for one in api.get(task + "/metadata")] == ["before", "after"]
    assert api.get(task + "/artifacts") == []
    messages = [line["message"] for line in service.log_lines()]
    # On a slow machine it may seem to be away once more; each time is said once.
    away = [message for message in messages if message.endswith("until it is back.")]
    assert 2 <= messages.count("the database is here") <= 1 + len(away)
    assert service.end() == 0
    assert not [line for line in service.log_lines() if "traceback" in line]


def test_a_restart_is_not_seen_by_a_client_that_waits(
    own_postgres: PostgresServer,
    start_service: StartService,
    open_api: OpenApi,
) -> None:
    service = start_service(own_postgres.dsn(), MF_METADATA_DB_TIMEOUT="30")
    service.wait_until()
    api = open_api(service)
    flow = api.new_flow()
    for _ in range(2):
        own_postgres.stop()
        own_postgres.start()
        # The pool is full of connections that the server has hung up on.
        assert [api.get(flow)["flow_id"] for _ in range(20)] == [flow.rpartition("/")[2]] * 20


def test_started_before_its_database_it_says_so_and_waits(
    own_postgres: PostgresServer,
    start_service: StartService,
    open_api: OpenApi,
) -> None:
    own_postgres.stop()
    service = start_service(own_postgres.dsn())
    service.wait_until("/ping")
    service.wait_for_log("The database is not ready")
    service.wait_until("/readyz", status=503)
    refused = httpx.post(service.url + "/flows/F", content=b"{}", timeout=60)
    assert refused.status_code == 503 and "not ready" in refused.json()["message"]
    said = [line for line in service.log_lines() if "The database is not ready" in line["message"]]
    assert len(said) == 1 and said[0]["level"] == "warning"
    own_postgres.start()
    service.wait_until()
    open_api(service).post("/flows/F")


def test_a_database_that_is_made_later_is_found(postgres: PostgresServer, start_service: StartService) -> None:
    service = start_service(postgres.dsn("later"))
    service.wait_for_log('"later\\" does not exist')
    service.wait_until("/readyz", status=503)
    postgres.create_database("later")
    service.wait_until()


@pytest.fixture
def own_database(new_database: Callable[[], str]) -> str:
    """A database that no other test uses."""
    return new_database()


@pytest.fixture
def own_api(postgres: PostgresServer, own_database: str, start_service: StartService, open_api: OpenApi) -> Api:
    """The API of a service on that database."""
    service = start_service(postgres.dsn(own_database))
    service.wait_until()
    return open_api(service)


def test_a_session_that_the_server_ends_is_replaced(postgres: PostgresServer, own_database: str, own_api: Api) -> None:
    flow = own_api.new_flow()
    for _ in range(5):
        end_sessions(postgres, own_database)
        assert own_api.get(flow)["flow_id"] == flow.rpartition("/")[2]


def test_a_database_that_only_reads_is_taken_for_away(
    postgres: PostgresServer, own_database: str, own_api: Api
) -> None:
    flow = own_api.new_flow()
    postgres.execute(f"ALTER DATABASE {own_database} SET default_transaction_read_only = on")
    end_sessions(postgres, own_database)
    assert own_api.get(flow)
    assert "read-only" in own_api.message("POST", flow + "/run", 503, {})
    postgres.execute(f"ALTER DATABASE {own_database} RESET default_transaction_read_only")
    end_sessions(postgres, own_database)
    own_api.post(flow + "/run")


def test_the_password_is_never_written(start_service: StartService) -> None:
    dsn = "postgresql://ann:hunter2@127.0.0.1:1/nowhere"
    service = start_service(dsn)
    service.wait_for_log("The database is not ready")
    service.wait_until("/readyz", status=503)
    assert service.end() == 0
    check = run_command("check", MF_METADATA_DB_DSN=dsn)
    assert check.returncode == 1 and check.stderr.startswith("127.0.0.1:1/nowhere: ")
    for text in (service.log_text(), check.stdout + check.stderr):
        assert "hunter2" not in text


def test_the_log_is_lines_of_json_with_request_ids(service: Service, api: Api) -> None:
    response = api.http.get("/flows/Nowhere", headers={"X-Request-ID": "asked-by-a-test"})
    assert json.loads(response.text)["request_id"] == "asked-by-a-test"
    (line,) = service.logged("asked-by-a-test")
    assert (line["method"], line["path"], line["status"]) == ("GET", "/flows/Nowhere", 404)
    assert not [line for line in service.log_lines() if line.get("path") == "/ping"]
