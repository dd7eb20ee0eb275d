"""Readiness is judged by what the controllers report, and a lack comes with its reason."""

from __future__ import annotations

from typing import Any

import pytest

from playbooks.module_utils.kube_readiness import has_failed, last_events, not_ready, pod_troubles, sentence


def workload(kind: str, wanted: int = 1, /, **status: Any) -> dict[str, Any]:
    status = {"observedGeneration": 1, **status}
    return {"kind": kind, "metadata": {"generation": 1}, "spec": {"replicas": wanted}, "status": status}


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet"])
@pytest.mark.parametrize(
    ("status", "lack"),
    [
        ({"replicas": 2, "updatedReplicas": 2, "readyReplicas": 2}, None),
        ({"replicas": 2, "updatedReplicas": 2, "readyReplicas": 1}, "1 of 2 pods ready"),
        ({"replicas": 2, "updatedReplicas": 1, "readyReplicas": 2}, "2 of 2 pods ready, 1 of 2 updated"),
        ({"replicas": 3, "updatedReplicas": 2, "readyReplicas": 2}, "pods of before are still there"),
        ({}, "0 of 2 pods ready, 0 of 2 updated"),
        ({"observedGeneration": 0}, "its controller has not looked at it yet"),
    ],
)
def test_pods_have_to_be_ready_new_and_alone(kind: str, status: dict[str, int], lack: str | None) -> None:
    assert not_ready(workload(kind, 2, **status)) == lack


def test_a_workload_of_no_replicas_is_ready() -> None:
    assert not_ready(workload("Deployment", 0)) is None


def test_a_daemon_set_counts_nodes() -> None:
    status = {"desiredNumberScheduled": 2, "updatedNumberScheduled": 2}
    assert not_ready(workload("DaemonSet", **status, numberReady=2)) is None
    assert not_ready(workload("DaemonSet", **status, numberReady=1)) == "1 of 2 pods ready"


def test_a_job_is_ready_when_complete_and_lost_when_failed() -> None:
    complete = workload("Job", conditions=[{"type": "Complete", "status": "True"}])
    limit = {"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded", "message": "too often"}
    failed = workload("Job", conditions=[limit])
    running = workload("Job", conditions=[{"type": "Failed", "status": "False"}])
    assert (not_ready(complete), has_failed(complete)) == (None, None)
    assert has_failed(failed) == "the job failed (BackoffLimitExceeded: too often)"
    assert (not_ready(running), has_failed(running)) == ("the job has not finished", None)
    assert has_failed(workload("Deployment", conditions=[limit])) is None


@pytest.mark.parametrize(
    ("container", "trouble"),
    [
        (
            {"state": {"waiting": {"reason": "ImagePullBackOff", "message": 'Back-off pulling\nimage "a:b"'}}},
            'container c waits (ImagePullBackOff: Back-off pulling image "a:b")',
        ),
        (
            {"state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": {"terminated": {"exitCode": 3}}},
            "container c waits (CrashLoopBackOff, exit code 3 before)",
        ),
        (
            {"state": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}},
            "container c ended with exit code 137 (OOMKilled)",
        ),
        ({"state": {"running": {}}, "ready": False}, "container c runs, and its readiness probe does not pass"),
    ],
)
def test_a_container_says_what_is_wrong(container: dict[str, Any], trouble: str) -> None:
    assert pod_troubles({"status": {"containerStatuses": [{"name": "c", **container}]}}) == [trouble]


def test_a_long_message_is_shown_by_its_beginning() -> None:
    waiting = {"reason": "ErrImagePull", "message": "no such host " * 100}
    (trouble,) = pod_troubles({"status": {"containerStatuses": [{"name": "c", "state": {"waiting": waiting}}]}})
    assert trouble.startswith("container c waits (ErrImagePull: no such host no such host")
    assert len(trouble) < 250


def test_a_pod_that_finds_no_node_says_why() -> None:
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes"}
    assert pod_troubles({"status": {"conditions": [condition]}}) == ["Unschedulable: 0/1 nodes"]


def test_an_evicted_pod_says_so() -> None:
    status = {"phase": "Failed", "reason": "Evicted", "message": "low on memory"}
    assert pod_troubles({"status": status}) == ["Evicted: low on memory"]


def test_a_pod_without_trouble_has_none() -> None:
    running = {"name": "c", "ready": True, "state": {"running": {}}}
    done = {"name": "i", "ready": True, "state": {"terminated": {"exitCode": 0}}}
    assert pod_troubles({"status": {"containerStatuses": [running], "initContainerStatuses": [done]}}) == []


def test_only_the_last_warnings_are_kept_in_order() -> None:
    events = [
        {"type": "Warning", "reason": f"W{hour}", "message": "m", "lastTimestamp": f"2026-01-01T0{hour}:00:00Z"}
        for hour in (4, 1, 3, 2)
    ]
    normal = {"type": "Normal", "reason": "Pulled", "lastTimestamp": "2026-01-01T05:00:00Z"}
    assert last_events([*events, normal]) == ["W2: m", "W3: m", "W4: m"]


def test_the_sentence_names_object_pod_reason_and_command() -> None:
    said = sentence("Deployment a", "0 of 1 pods ready", [("a-1", ["container c waits"], ["Failed: no image"])], "look")
    assert said == (
        "Deployment a: 0 of 1 pods ready; pod a-1: container c waits; last events: Failed: no image. See: look"
    )
