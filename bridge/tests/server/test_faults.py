"""A Kubeflow Pipelines that is down, or goes down halfway through a command.

Every use case is carried out against a server that fails from its first request on, then from its second, and so on.
Each time it ends in one sentence; no failure is ever taken for "there is no such thing", and so nothing is made anew.
"""

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from bridge.tests.lib.graphs import TARGET
from bridge.tests.lib.kubeflow import Answer, Kubeflow, serving
from metaflow_extensions.tributary.plugins.kubeflow_pipelines import connection, deploy, tokens
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.compiler.emit import Documents
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.provenance import DeploymentNotes, FlowIdentity
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.refusals import Refused
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.server import NotFound, Server

FLOW = FlowIdentity("TestFlow")
FIRST = Documents({"pipelineInfo": {"name": "testflow"}}, {"platforms": {"kubernetes": {}}})
SECOND = Documents({"pipelineInfo": {"name": "testflow", "description": "b"}}, {"platforms": {"kubernetes": {}}})
HOURLY, DAILY = "0 0 * * * *", "0 0 0 * * *"


def notes(token: str) -> DeploymentNotes:
    return DeploymentNotes(FLOW, "alice", token)


def create(url: str) -> None:
    server = Server(url)
    grant = deploy.grant(server, TARGET, FLOW, tokens.TokenOptions(authorize="token-0"))
    assert grant.token == "token-0", "a token was made anew"
    deploy.create(server, notes(grant.token), TARGET, SECOND, None, cron=DAILY, grant=grant)


def trigger(url: str) -> None:
    deploy.trigger(Server(url), FLOW, "testflow", {}, print, version_name=None, experiment="new")


def status(url: str) -> None:
    deploy.status(Server(url), FLOW, "testflow", "kfp-run-1", {"start": False}, nothing_stored)


def terminate(url: str) -> None:
    deploy.terminate(Server(url), FLOW, "testflow", "kfp-run-1", nothing_stored, authorize="token-0")


def delete(url: str) -> None:
    deploy.delete(Server(url), FLOW, "testflow", authorize="token-0")


def list_all(url: str) -> None:
    deploy.deployments(Server(url), None)


def nothing_stored(key: str) -> bytes:
    raise AssertionError(f"nobody asks the datastore for {key}")


USES: list[Callable[[str], None]] = [create, trigger, status, terminate, delete, list_all]

PAGE = "<html><body>upstream</body></html>"
FAULTS = {
    "bad gateway": (Answer(502, PAGE), "answers with HTTP 502"),
    "half up": (Answer(503, PAGE), "answers with HTTP 503"),
    "page of a proxy": (Answer(404, PAGE), "it is not Kubeflow Pipelines"),
    "another service": (Answer(404, '{"message": "no route"}'), "no route|it is not Kubeflow Pipelines"),
    "no JSON": (Answer(200, PAGE), "it is not Kubeflow Pipelines"),
    "no object": (Answer(200, "[]"), "it is not Kubeflow Pipelines"),
    "unauthenticated": (Answer(401, PAGE), "access is denied"),
    "forbidden": (Answer(403, '{"message": "RBAC: access denied"}'), "access is denied"),
    "login": (Answer(302, "", {"Location": "http://127.0.0.1:9/login"}), "a login is wanted"),
}


@pytest.fixture
def kubeflow(monkeypatch: pytest.MonkeyPatch) -> Iterator[Kubeflow]:
    monkeypatch.setattr(connection, "BACKOFF_SECONDS", 0.0)
    with serving(Kubeflow()) as running:
        stand(running)
        yield running


def stand(kubeflow: Kubeflow) -> None:
    """One deployment with its schedule, and one run of it."""
    for held in (kubeflow.pipelines, kubeflow.versions, kubeflow.runs, kubeflow.recurring_runs):
        held.clear()
    kubeflow.experiments.clear()
    kubeflow.fault = None
    server = Server(kubeflow.url)
    made = deploy.create(server, notes("token-0"), TARGET, FIRST, None, cron=HOURLY)
    server.start_run(made.pipeline, made.version, "name", {}, "Default")
    kubeflow.workflows["run-1"] = {"metadata": {"name": "testflow-1"}, "status": {}}
    kubeflow.asked.clear()


# A thousand requests each. One is asked in `make check`: the page of a proxy is most easily taken for "not found".
OFTEN = ("trigger", "page of a proxy")


@pytest.mark.parametrize(
    ("use", "name"),
    [
        pytest.param(
            use, name, id=f"{use.__name__} {name}", marks=[] if (use.__name__, name) == OFTEN else pytest.mark.slow
        )
        for use in USES
        for name in FAULTS
    ],
)
def test_each_command_meets_a_server_that_fails_at_any_of_its_requests(
    kubeflow: Kubeflow, use: Callable[[str], None], name: str
) -> None:
    use(kubeflow.url)
    requests = len(kubeflow.asked)
    assert requests >= 2
    fault, words = FAULTS[name]
    for healthy in range(requests):
        stand(kubeflow)
        kubeflow.fault, kubeflow.healthy = fault, healthy
        with pytest.raises(Refused, match=words) as refused:
            use(kubeflow.url)
        assert not isinstance(refused.value, NotFound), healthy
        assert "\n" not in refused.value.message
        assert refused.value.exit_code == 2
        _nothing_is_made_anew(kubeflow, use)


def _nothing_is_made_anew(kubeflow: Kubeflow, use: Any) -> None:
    """One pipeline of this name at most, the runs of before, and never two active schedules."""
    assert len(kubeflow.pipelines) == (0 if use is delete and not kubeflow.pipelines else 1)
    assert len(kubeflow.runs) <= (2 if use is trigger else 1)
    assert sum(each["status"] == "ENABLED" for each in kubeflow.recurring_runs.values()) <= 1


@pytest.mark.parametrize("use", USES)
def test_each_command_says_that_nobody_answers(kubeflow: Kubeflow, use: Callable[[str], None]) -> None:
    with pytest.raises(Refused, match="cannot be reached"):
        use("http://127.0.0.1:9")


def test_a_server_that_never_answers_is_given_up(kubeflow: Kubeflow, monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server(kubeflow.url)
    # Only from here on: a server that is well may be slow to say what it is.
    monkeypatch.setattr(connection, "READ_SECONDS", 0.2)
    until = threading.Event()

    def silent(*_: object) -> Any:
        kubeflow.asked.append("silent")
        until.wait(600)
        raise Answer(503, "too late")

    monkeypatch.setattr(kubeflow, "answer", silent)
    kubeflow.asked.clear()
    try:
        with pytest.raises(Refused, match=r"cannot be reached \(.*timed out"):
            server.find_pipeline("testflow")
        # The server may hear a request only after the client has given it up.
        deadline = time.monotonic() + 60
        while len(kubeflow.asked) < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
    finally:
        until.set()
    assert kubeflow.asked == ["silent"] * 2


@pytest.mark.slow
@pytest.mark.parametrize("use", [create, delete])
def test_what_a_failure_left_half_done_is_finished_by_the_same_command(
    kubeflow: Kubeflow, use: Callable[[str], None]
) -> None:
    use(kubeflow.url)
    for healthy in range(len(kubeflow.asked)):
        stand(kubeflow)
        kubeflow.fault, kubeflow.healthy = Answer(503, PAGE), healthy
        with pytest.raises(Refused):
            use(kubeflow.url)
        kubeflow.fault = None
        if use is delete:
            use(kubeflow.url)
            assert kubeflow.pipelines == {} and kubeflow.recurring_runs == {}
            continue
        use(kubeflow.url)
        (schedule,) = kubeflow.recurring_runs.values()
        newest = kubeflow.versions["pipeline-1"][-1]
        assert schedule["trigger"]["cron_schedule"]["cron"] == DAILY
        assert schedule["pipeline_version_reference"]["pipeline_version_id"] == newest["pipeline_version_id"]
