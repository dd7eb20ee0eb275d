"""What a user sees when something breaks under a flow on Kubeflow, and that no task is lost or done twice."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cluster.kubectl import Kubectl
from cluster.settings import Settings
from laptop.compare import Place
from laptop.ends import done_once, end_again, end_state, errors, status
from laptop.eventually import eventually
from laptop.gate import ARRIVES_WITHIN, Gate
from laptop.shell import Laptop

pytestmark = [pytest.mark.cluster, pytest.mark.long, pytest.mark.timeout(3600)]
FLOWS = Path(__file__).parent / "flows"
STRICKEN = FLOWS / "stricken_flow.py"
BEFORE = {Place("start"), Place("caught")}
# How a step of StrickenFlow ends, and what `status` says of it.
BLOWS = {
    "failure": "RuntimeError: failed on purpose (exit code 1)",
    "memory": "it was killed because it used more memory than it may (OOMKilled)",
    "signal": "it was told to end by a signal from outside (SIGTERM)",
    "deletion": "its pod was deleted while it ran",
}
OUTAGE = 60.0


@pytest.mark.parametrize(
    "how", [pytest.param(how, marks=() if how == "failure" else pytest.mark.long) for how in BLOWS], ids=list(BLOWS)
)
def test_a_run_with_a_broken_step_says_why_and_is_continued_by_retry(
    how: str, laptop: Laptop, settings: Settings, kubernetes_api: Any, gate: Gate, metaflow: Any, kubeflow: Any
) -> None:
    run_id = _strike(how, laptop, settings, kubernetes_api, gate)
    state = end_state(kubeflow, run_id)
    if how == "deletion" and state == "SUCCEEDED":
        # Argo 3.7 notes the error, and as long as it waits for the pod's results may still make the pod anew.
        _is_whole(metaflow, run_id)
        return
    assert state == "FAILED"
    assert errors(status(laptop, STRICKEN, run_id)) == {"stricken": BLOWS[how]}
    assert set(done_once(metaflow.Run(f"StrickenFlow/{run_id}"))) == BEFORE

    with end_again(kubeflow, run_id) as ended:
        laptop.flow(STRICKEN, "kubeflow-pipelines", "retry", run_id)
    assert ended.state == "SUCCEEDED"
    _is_whole(metaflow, run_id)


@pytest.mark.long
def test_a_run_that_kubeflows_own_api_retries_is_continued(
    laptop: Laptop,
    settings: Settings,
    kubernetes_api: Any,
    kubectl: Kubectl,
    gate: Gate,
    metaflow: Any,
    kubeflow: Any,
) -> None:
    """Kubeflow counts the attempts of such a run from zero again; what was recorded is not written over."""
    run_id = _strike("failure", laptop, settings, kubernetes_api, gate)
    assert end_state(kubeflow, run_id) == "FAILED"
    _end_is_persisted(kubectl, settings, run_id)
    with end_again(kubeflow, run_id) as ended:
        kubeflow._run_api.run_service_retry_run(run_id=run_id.removeprefix("kfp-"))
    assert ended.state == "SUCCEEDED"
    _is_whole(metaflow, run_id)


@pytest.mark.long
def test_a_run_waits_for_an_image_that_is_nowhere_and_can_be_ended(
    laptop: Laptop, metaflow: Any, kubeflow: Any
) -> None:
    flow = FLOWS / "lost_image_flow.py"
    laptop.deploy(flow)
    run_id = laptop.trigger(flow)
    said = ""

    def not_said() -> str | None:
        nonlocal said
        said = errors(status(laptop, flow, run_id)).get("lost", "")
        # While it waits for a place on the node, that is what is said of it.
        return None if said.startswith("its image cannot be pulled") else f"of the step lost is said: {said!r}"

    eventually(not_said, within=ARRIVES_WITHIN, every=3)
    assert "localhost/tributary/nowhere:1" in said
    laptop.flow(flow, "kubeflow-pipelines", "terminate", run_id)
    end_state(kubeflow, run_id)
    assert status(laptop, flow, run_id)["error"] == "it was terminated"
    assert set(done_once(metaflow.Run(f"LostImageFlow/{run_id}"))) == {Place("start")}


@pytest.fixture
def nothing_listens() -> Iterator[str]:
    """An address of this machine that is taken and refuses every connection."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{held.getsockname()[1]}"


@pytest.mark.parametrize(
    "command",
    ["create", "trigger", "status", "terminate", "retry", "resume", "logs", "list", "delete"],
)
def test_a_command_that_does_not_reach_kubeflow_says_so_and_nothing_else(
    command: str, nothing_listens: str, laptop: Laptop, store: Any, gate: Gate
) -> None:
    """Silence is neither `there is no such pipeline` nor a reason for a new production token."""
    of_a_run = ("status", "terminate", "retry", "resume", "logs")
    words = [command, *(["kfp-00000000-0000-4000-8000-000000000000"] if command in of_a_run else [])]
    before = _stored(store, gate.bucket)
    done = laptop.flow(STRICKEN, "kubeflow-pipelines", "--url", nothing_listens, *words, expect=2)
    said = done.out + done.err
    assert nothing_listens in said
    assert not re.search(r"no (such )?(pipeline|run)|not (deployed|found|exist)|token|Traceback", said), said
    assert _stored(store, gate.bucket) == before


@pytest.mark.long
def test_tasks_that_end_while_the_object_store_is_away_are_not_lost(
    laptop: Laptop, settings: Settings, kubernetes_api: Any, gate: Gate, metaflow: Any, kubeflow: Any
) -> None:
    """They wait for the minute that it is away, or run again; their user sees a run that succeeded."""
    flow = FLOWS / "outage_flow.py"
    laptop.deploy(flow)
    run_id = laptop.trigger(flow, "--gate", gate.key)
    gate.both_arrived()
    _scale_object_store(kubernetes_api, settings, 0)
    try:
        time.sleep(OUTAGE)
    finally:
        _scale_object_store(kubernetes_api, settings, 1)

    assert end_state(kubeflow, run_id) == "SUCCEEDED"
    assert errors(status(laptop, flow, run_id)) == {}
    done = done_once(metaflow.Run(f"OutageFlow/{run_id}"))
    work = [Place("work", (index,)) for index in (0, 1)]
    assert set(done) == {Place("start"), *work, Place("join"), Place("end")}
    assert [done[place].artifacts["product"] for place in work] == [7, 11]
    assert done[Place("end")].artifacts["report"] == "total 18"


def _strike(how: str, laptop: Laptop, settings: Settings, api: Any, gate: Gate) -> str:
    """Run StrickenFlow, and where it waits to be deleted delete its pod; gives the run id."""
    laptop.deploy(STRICKEN)
    run_id = laptop.trigger(STRICKEN, "--how", how, "--gate", gate.key)
    if how == "deletion":
        api.delete_namespaced_pod(gate.arrived("arrived"), settings.kubeflow_namespace, grace_period_seconds=0)
    return run_id


def _end_is_persisted(kubectl: Kubectl, settings: Settings, run_id: str) -> None:
    """Wait until Kubeflow is done with the end of a run: only after it has written the state does it mark the workflow,
    and a workflow that runs again must not get that mark.
    """
    labels = f"pipeline/runid={run_id.removeprefix('kfp-')},pipeline/persistedFinalState=true"
    words = ("workflows.argoproj.io", "--namespace", settings.kubeflow_namespace, "--selector", labels)
    eventually(lambda: None if kubectl.get(*words) else f"the end of {run_id} is not persisted", within=300)


def _is_whole(metaflow: Any, run_id: str) -> None:
    """All tasks are done, each once: the stricken one in its second attempt, the others in their first."""
    run = metaflow.Run(f"StrickenFlow/{run_id}")
    assert run.successful
    done = done_once(run)
    assert {place.step: task.attempt for place, task in done.items()} == {
        "start": 0,
        "caught": 0,
        "stricken": 1,
        "end": 0,
    }
    assert "caught on purpose, base 20" in str(done[Place("caught")].artifacts["trouble"])
    assert done[Place("end")].artifacts["report"] == "result 21, attempt of trouble: True"


def _stored(store: Any, bucket: str) -> int:
    """How many objects there are below the flow's name."""
    pages = store.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix="metaflow/StrickenFlow/")
    return sum(page["KeyCount"] for page in pages)


def _scale_object_store(api: Any, settings: Settings, replicas: int) -> None:
    """Scale the store, and wait until its pod is gone or ready."""
    from kubernetes import client

    apps = client.AppsV1Api(api.api_client)
    name = f"{settings.release}-object-store"
    apps.patch_namespaced_stateful_set_scale(name, settings.namespace, {"spec": {"replicas": replicas}})

    def not_yet() -> str | None:
        stands = apps.read_namespaced_stateful_set(name, settings.namespace).status
        there = (stands.replicas or 0, stands.ready_replicas or 0)
        return None if there == (replicas, replicas) else f"{name} has {there} of {replicas}"

    eventually(not_yet, within=180)
