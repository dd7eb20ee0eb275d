"""A run that was started, and whose answer was lost on the way: no second one is started for it."""

import socket
import ssl
from typing import Any

import pytest
import urllib3
from urllib3.exceptions import MaxRetryError, NewConnectionError, ProtocolError, SSLError

from bridge.tests.lib.graphs import TARGET
from bridge.tests.lib.kubeflow import Answer, Kubeflow
from metaflow_extensions.tributary.plugins.kubeflow_pipelines import connection, deploy
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.access import Keys, door
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.compiler.emit import Documents
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.connection import Connection
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.provenance import DeploymentNotes, FlowIdentity
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.refusals import Refused
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.server import Server

FLOW = FlowIdentity("TestFlow")
DOCUMENTS = Documents({"pipelineInfo": {"name": "testflow"}}, {"platforms": {}})
START = "POST /apis/v2beta1/runs"
MAY_HAVE = r"may have started all the same.*kubeflow-pipelines list --runs"


@pytest.fixture
def server(kubeflow: Kubeflow, monkeypatch: pytest.MonkeyPatch) -> Server:
    monkeypatch.setattr(connection, "BACKOFF_SECONDS", 0.0)
    server = Server(kubeflow.url)
    deploy.create(server, DeploymentNotes(FLOW, "alice"), TARGET, DOCUMENTS, None)
    return server


def trigger(server: Server) -> str:
    return deploy.trigger(server, FLOW, "testflow", {}, print, version_name=None, experiment=None)


@pytest.mark.parametrize("status", [502, 503, 504])
def test_a_run_whose_answer_was_lost_is_found(kubeflow: Kubeflow, server: Server, status: int) -> None:
    assert trigger(server) == "kfp-run-1"
    kubeflow.losing, kubeflow.losing_status = f"{START} ", status
    assert trigger(server) == "kfp-run-2"
    assert trigger(server) == "kfp-run-3"
    assert kubeflow.asked.count(START) == len(kubeflow.runs) == 3
    assert len({run["description"] for run in kubeflow.runs.values()}) == 3
    assert all(run["display_name"].startswith("testflow 2") for run in kubeflow.runs.values())


def test_a_run_whose_connection_broke_is_found(
    kubeflow: Kubeflow, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = kubeflow.answer

    def broken(method: str, *rest: Any) -> Any:
        answered = answer(method, *rest)
        if kubeflow.asked[-1] == START:
            raise ConnectionResetError
        return answered

    monkeypatch.setattr(kubeflow, "answer", broken)
    assert trigger(server) == "kfp-run-1"
    assert kubeflow.asked.count(START) == len(kubeflow.runs) == 1


def test_a_run_that_shows_after_a_while_is_found(
    kubeflow: Kubeflow, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    kubeflow.losing = f"{START} "
    answer, hidden = kubeflow.answer, [Answer(503, "starting")] * 5

    def slow(method: str, target: str, *rest: Any) -> Any:
        if method == "GET" and "/runs" in target and hidden:
            raise hidden.pop()
        return answer(method, target, *rest)

    monkeypatch.setattr(kubeflow, "answer", slow)
    assert trigger(server) == "kfp-run-1"
    assert hidden == []


@pytest.mark.parametrize("status", [502, 503, 504])
def test_a_run_that_is_not_found_may_have_started(kubeflow: Kubeflow, server: Server, status: int) -> None:
    trigger(server)
    kubeflow.failing, kubeflow.failures = f"{START} ", [Answer(status, "lost")]
    with pytest.raises(Refused, match=f"HTTP {status}.*{MAY_HAVE}") as refused:
        trigger(server)
    assert refused.value.exit_code == 2
    assert "\n" not in refused.value.message and "Try again" not in refused.value.message
    assert kubeflow.asked.count(START) == 2
    assert len(kubeflow.runs) == 1


def test_a_run_for_which_nobody_answers_any_more_may_have_started(kubeflow: Kubeflow, server: Server) -> None:
    trigger(server)
    kubeflow.asked.clear()
    trigger(server)
    kubeflow.healthy = kubeflow.asked.index(START)
    kubeflow.asked.clear()
    kubeflow.fault = Answer(504, "gone")
    with pytest.raises(Refused, match=f"HTTP 504.*{MAY_HAVE}"):
        trigger(server)


def test_what_the_server_refuses_has_not_started(kubeflow: Kubeflow, server: Server) -> None:
    kubeflow.failing, kubeflow.failures = f"{START} ", [Answer(400, '{"message": "no such input", "code": 3}')]
    with pytest.raises(Refused, match="no such input") as refused:
        trigger(server)
    assert "may have started" not in refused.value.message


def test_a_connection_that_breaks_is_no_answer_and_one_that_is_refused_is_no_request(server: Server) -> None:
    pool = urllib3.connectionpool.HTTPConnectionPool("host")
    translated = server._connection._translated
    lost = [
        ProtocolError("Connection aborted."),
        MaxRetryError(pool, "/", SSLError(ssl.SSLError("EOF"))),
        urllib3.exceptions.ReadTimeoutError(pool, "/", "Read timed out."),
    ]
    for error in lost:
        with pytest.raises(connection.Unanswered, match="cannot be reached"), translated(first=False):
            raise error
    never_sent = [
        MaxRetryError(pool, "/", NewConnectionError(urllib3.connection.HTTPConnection("host"), "[Errno 111] refused")),
        MaxRetryError(pool, "/", urllib3.exceptions.ConnectTimeoutError("timed out")),
    ]
    for error in never_sent:
        with pytest.raises(Refused, match="cannot be reached") as refused, translated(first=False):
            raise error
        assert not isinstance(refused.value, connection.Unanswered)


def test_a_start_that_cannot_be_sent_is_no_start() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        made = Connection(door(f"http://127.0.0.1:{taken.getsockname()[1]}", Keys()))
        made.client.configuration.retries.backoff_factor = 0
        service = made.api.RunServiceApi(made.client)
        with pytest.raises(Refused, match="cannot be reached") as refused:
            made.start(service.run_service_create_run, {"display_name": "name"}, service.run_service_list_runs)
    assert "may have started" not in refused.value.message


@pytest.mark.parametrize("error", [SSLError("EOF occurred"), ProtocolError("Connection aborted.")], ids=type)
def test_a_post_is_sent_once_whatever_breaks(server: Server, error: Exception) -> None:
    retries = server._connection.client.configuration.retries
    with pytest.raises((MaxRetryError, ProtocolError)):
        retries.increment("POST", "/", error=error)
    with pytest.raises((MaxRetryError, ProtocolError)):
        refused = urllib3.exceptions.ConnectTimeoutError("timed out")
        retries.increment("POST", "/", error=refused).increment("POST", "/", error=error)
    assert retries.increment("GET", "/", error=error).total == connection.TRIES - 1
