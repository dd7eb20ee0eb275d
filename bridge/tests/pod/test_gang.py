"""The driver of a gang against a Kubernetes API: what it makes, how it follows it, what it leaves."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bridge.tests.lib.kubernetes import Answer, Kubernetes, serving, status
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.pod import gang_pods, outputs
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.pod.cluster import Cluster
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.pod.gang import Gang, Pods
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.record import GangRecord

NAME = "TrainFlow/kfp-1/train/control-t-train-0"
COLLECTIONS = {
    "pods": "/api/v1/namespaces/runs/pods",
    "services": "/api/v1/namespaces/runs/services",
    "jobs": "/apis/batch/v1/namespaces/runs/jobs",
    "jobsets": "/apis/jobset.x-k8s.io/v1alpha2/namespaces/runs/jobsets",
}
OWN: dict[str, Any] = {
    "metadata": {
        "name": "trainflow-abc12-system-container-impl-123",
        "namespace": "runs",
        "uid": "0c5c-driver",
        "labels": {"team": "vision", "pipeline/runid": "1", "workflows.argoproj.io/workflow": "trainflow-abc12"},
        "annotations": {"sidecar.istio.io/inject": "false", "workflows.argoproj.io/node-name": "trainflow-abc12.root"},
    },
    "spec": {
        "containers": [
            {"name": "wait", "image": "argoexec"},
            {
                "name": "main",
                "image": "registry/torch:1",
                "imagePullPolicy": "IfNotPresent",
                "command": ["/var/run/argo/argoexec", "emissary", "--", "/kfp-launcher/launch"],
                "env": [
                    {"name": "ARGO_TEMPLATE", "value": "{}"},
                    {"name": "TRIBUTARY_RUN", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['x']"}}},
                    {"name": "TRIBUTARY_POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
                    {"name": "AWS_ACCESS_KEY_ID", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
                ],
                "resources": {"requests": {"cpu": "100m"}},
                "securityContext": {"runAsNonRoot": True},
                "volumeMounts": [
                    {"name": "config", "mountPath": "/var/run/tributary/config"},
                    {"name": "var-run-argo", "mountPath": "/var/run/argo"},
                    {"name": "kube-api-access-x", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"},
                ],
            },
        ],
        "initContainers": [{"name": "init"}],
        "nodeName": "worker-7",
        "serviceAccountName": "pipeline-runner",
        "tolerations": [{"key": "gpu", "operator": "Exists"}],
        "volumes": [
            {"name": "config", "configMap": {"name": "steps"}},
            {"name": "var-run-argo", "emptyDir": {}},
            {"name": "kube-api-access-x", "projected": {}},
        ],
    },
    "status": {"phase": "Running"},
}
RESOURCES = {"requests": {"cpu": "4"}, "limits": {"nvidia.com/gpu": "1"}}


@pytest.fixture
def kubernetes(tmp_path: Path) -> Iterator[Kubernetes]:
    """A cluster that holds the driver's pod."""
    with serving(Kubernetes(tmp_path)) as served:
        served.put(f"{COLLECTIONS['pods']}/{OWN['metadata']['name']}", OWN)
        yield served


def run(kubernetes: Kubernetes, nodes: int = 2, attempt: int = 0, patience: float = 5.0) -> outputs.Failure | None:
    cluster = Cluster(kubernetes.url, kubernetes.folder, patience=patience, delay=0.01)
    pods = Pods(cluster, "runs", OWN["metadata"]["name"], ("python3", "-uc", "print($(ls))", "s3://record", "train"))
    return Gang(pods, NAME, nodes, attempt, GangRecord(RESOURCES, 600), 7200).run()


def when_made(kubernetes: Kubernetes, nodes: int, then: Callable[[], None]) -> None:
    """Once all pods are there, do this in a thread of its own."""

    def on_pod(_pod: Any) -> None:
        if len(kubernetes.pods()) == nodes:
            threading.Thread(target=then).start()

    kubernetes.on_pod = on_pod


def succeed(kubernetes: Kubernetes, nodes: int = 2) -> None:
    def then() -> None:
        for index in range(nodes):
            kubernetes.report(index, "Running", {"running": {}})
        for index in range(nodes):
            kubernetes.report(index, "Succeeded", {"terminated": {"exitCode": 0, "reason": "Completed"}})

    when_made(kubernetes, nodes, then)


def left(kubernetes: Kubernetes) -> list[str]:
    return [path for path in kubernetes.objects if not path.endswith(OWN["metadata"]["name"])]


def watched(kubernetes: Kubernetes) -> dict[str, Any]:
    """All that was ever created, by kind; filled while the driver runs."""
    made: dict[str, Any] = {}
    noted = kubernetes.put

    def put(path: str, body: Any) -> None:
        made.setdefault(body.get("kind", "Pod"), body)
        noted(path, body)

    kubernetes.put = put  # type: ignore[method-assign]
    return made


def test_without_jobsets_a_gang_is_an_indexed_job_and_a_headless_service(
    kubernetes: Kubernetes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRIBUTARY_RUN", "1")
    made = watched(kubernetes)
    succeed(kubernetes, nodes=3)
    assert run(kubernetes, nodes=3, attempt=1) is None
    job, service = made["Job"], made["Service"]
    name = job["metadata"]["name"]
    assert (job["spec"]["completions"], job["spec"]["parallelism"], job["spec"]["backoffLimit"]) == (3, 3, 0)
    assert service["metadata"]["name"] == job["spec"]["template"]["spec"]["subdomain"] == name
    assert service["spec"] == {
        "clusterIP": "None",
        "publishNotReadyAddresses": True,
        "selector": {"tributary/gang": name},
    }
    for body in (job, service):
        (owner,) = body["metadata"]["ownerReferences"]
        assert owner == {"apiVersion": "v1", "kind": "Pod", "name": OWN["metadata"]["name"], "uid": "0c5c-driver"}
    variables = {each["name"]: each for each in job["spec"]["template"]["spec"]["containers"][0]["env"]}
    assert f'"main": "{name}-0.{name}", "nodes": 3' in variables["TRIBUTARY_GANG"]["value"]
    assert '"attempt": 1' in variables["TRIBUTARY_GANG"]["value"]


def test_with_jobsets_a_gang_is_a_jobset_of_one_indexed_job(kubernetes: Kubernetes) -> None:
    kubernetes.jobsets = True
    made = watched(kubernetes)
    succeed(kubernetes)
    assert run(kubernetes) is None
    jobset = made["JobSet"]
    name = jobset["metadata"]["name"]
    assert made.keys() == {"JobSet", "Pod"}
    assert jobset["spec"]["network"] == {
        "enableDNSHostnames": True,
        "publishNotReadyAddresses": True,
        "subdomain": name,
    }
    assert jobset["spec"]["failurePolicy"] == {"maxRestarts": 0}
    (only,) = jobset["spec"]["replicatedJobs"]
    assert only["template"]["spec"]["completions"] == 2
    (gang,) = [
        each["value"]
        for each in only["template"]["spec"]["template"]["spec"]["containers"][0]["env"]
        if each["name"] == "TRIBUTARY_GANG"
    ]
    assert f'"main": "{name}-node-0-0.{name}"' in gang
    assert left(kubernetes) == []


def test_the_pods_are_the_drivers_but_for_what_is_argos_or_the_drivers_alone(
    kubernetes: Kubernetes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRIBUTARY_RUN", "run-of-the-label")
    made = watched(kubernetes)
    succeed(kubernetes)
    run(kubernetes)
    template = made["Job"]["spec"]["template"]
    labels, spec = dict(template["metadata"]["labels"]), template["spec"]
    assert labels.pop("tributary/gang-task") and labels.pop("tributary/gang")
    assert labels == {"team": "vision", "pipeline/runid": "1"}
    assert template["metadata"]["annotations"] == {"sidecar.istio.io/inject": "false"}
    assert spec["serviceAccountName"] == "pipeline-runner"
    assert spec["tolerations"] == OWN["spec"]["tolerations"]
    assert spec["restartPolicy"] == "Never"
    assert spec["activeDeadlineSeconds"] == 7200
    assert spec["volumes"] == [{"name": "config", "configMap": {"name": "steps"}}]
    assert not spec.keys() & {"nodeName", "initContainers"}
    (container,) = spec["containers"]
    assert (container["image"], container["imagePullPolicy"]) == ("registry/torch:1", "IfNotPresent")
    assert container["resources"] == RESOURCES
    assert container["securityContext"] == {"runAsNonRoot": True}
    assert container["command"] == ["python3", "-uc", "print($$(ls))", "s3://record", "train"]
    assert [each["name"] for each in container["volumeMounts"]] == ["config"]
    variables = {each["name"]: each for each in container["env"]}
    assert variables.keys() == {"TRIBUTARY_RUN", "TRIBUTARY_POD", "AWS_ACCESS_KEY_ID", "TRIBUTARY_GANG"}
    assert variables["TRIBUTARY_RUN"]["value"] == "run-of-the-label"
    assert "secretKeyRef" in variables["AWS_ACCESS_KEY_ID"]["valueFrom"]


def test_the_node_that_failed_first_is_named_and_the_gang_deleted(
    kubernetes: Kubernetes, capsys: pytest.CaptureFixture[str]
) -> None:
    said = "TrainFlow/kfp-1/train/worker-t-train-0, attempt 2: ValueError: no such file"

    def fail() -> None:
        ended = {"exitCode": 9, "reason": "Error", "message": said, "finishedAt": "2026-01-01T00:00:05Z"}
        stopped = {"exitCode": 143, "reason": "Error", "finishedAt": "2026-01-01T00:00:06Z"}
        with kubernetes.changed:
            kubernetes.report(0, "Failed", {"terminated": stopped})
            kubernetes.report(1, "Failed", {"terminated": ended})

    waits = [{"type": "PodScheduled", "reason": "Unschedulable"}]
    kubernetes.on_pod = lambda _pod: kubernetes.report(0, "Pending", conditions=waits)
    kubernetes.on_watch = fail
    failure = run(kubernetes, attempt=2)
    assert failure == outputs.Failure(9, f"{NAME}, attempt 2: node 1 of 2 failed: ValueError: no such file")
    assert left(kubernetes) == []
    assert "node 0 of 2: pending (Unschedulable)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("ended", "more", "wanted"),
    [
        ({"exitCode": 137, "reason": "OOMKilled"}, {}, "OOMKilled"),
        ({"exitCode": 3, "reason": "Error"}, {}, "exit code 3"),
        (None, {"reason": "Evicted", "message": "low on memory"}, "Evicted: low on memory"),
    ],
)
def test_a_node_that_said_nothing_has_kubernetes_reason(
    kubernetes: Kubernetes, ended: Any, more: Any, wanted: str
) -> None:
    when_made(kubernetes, 2, lambda: kubernetes.report(1, "Failed", ended and {"terminated": ended}, **more))
    failure = run(kubernetes)
    assert failure is not None
    assert failure.reason == f"{NAME}, attempt 0: node 1 of 2 failed: {wanted}"
    assert failure.code == (ended or {"exitCode": 1})["exitCode"]


def test_a_job_that_is_deleted_by_somebody_ends_the_driver(kubernetes: Kubernetes) -> None:
    def delete() -> None:
        (path,) = [path for path in kubernetes.objects if "/jobs/" in path]
        kubernetes.take(path)

    when_made(kubernetes, 2, delete)
    failure = run(kubernetes)
    assert failure is not None and "not found (404)" in failure.reason
    assert left(kubernetes) == []


def test_a_job_that_failed_without_a_failed_pod_says_why(kubernetes: Kubernetes) -> None:
    def fail() -> None:
        (path,) = [path for path in kubernetes.objects if "/jobs/" in path]
        failed = {"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded", "message": "too often"}
        # Both at once, so that the driver never sees the one without the other.
        with kubernetes.changed:
            kubernetes.put(path, {**kubernetes.objects[path], "status": {"conditions": [failed]}})
            pod = kubernetes.pods()[0]["metadata"]
            kubernetes.take(f"{COLLECTIONS['pods']}/{pod['name']}")

    when_made(kubernetes, 2, fail)
    failure = run(kubernetes)
    assert failure is not None
    assert failure.reason == f"{NAME}, attempt 0: its Job failed: BackoffLimitExceeded: too often"


@pytest.mark.parametrize(("kind", "condition"), [("jobs", "Complete"), ("jobsets", "Completed")])
def test_a_gang_is_at_its_end_too_when_the_pod_of_a_finished_node_is_gone(
    kubernetes: Kubernetes, kind: str, condition: str
) -> None:
    kubernetes.jobsets = kind == "jobsets"

    def end() -> None:
        kubernetes.on_watch = lambda: None
        (path,) = [path for path in kubernetes.objects if f"/{kind}/" in path]
        done = {"terminated": {"exitCode": 0, "reason": "Completed"}}
        with kubernetes.changed:
            kubernetes.report(1, "Succeeded", done)
            kubernetes.take(f"{COLLECTIONS['pods']}/{kubernetes.pods()[1]['metadata']['name']}")
            kubernetes.report(0, "Succeeded", done)
            conditions = [{"type": "Suspended", "status": "False"}, {"type": condition, "status": "True"}]
            kubernetes.put(path, {**kubernetes.objects[path], "status": {"conditions": conditions}})

    kubernetes.on_watch = end
    assert run(kubernetes) is None
    assert left(kubernetes) == []


@pytest.mark.parametrize(("kind", "held"), [("Complete", "False"), ("SuccessCriteriaMet", "True"), (None, "")])
def test_a_workload_is_complete_only_when_kubernetes_says_so(kind: str | None, held: str) -> None:
    status = {"conditions": [{"type": kind, "status": held}]} if kind else {}
    assert not gang_pods.is_complete({"status": status})


def test_a_driver_that_is_told_to_stop_deletes_its_gang(kubernetes: Kubernetes) -> None:
    when_made(kubernetes, 2, lambda: os.kill(os.getpid(), signal.SIGTERM))
    failure = run(kubernetes)
    assert failure is not None
    assert (failure.code, failure.reason) == (143, f"{NAME}, attempt 0: the pod was told to stop")
    assert left(kubernetes) == []
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_what_a_driver_that_vanished_left_is_deleted_first(kubernetes: Kubernetes) -> None:
    succeed(kubernetes)
    made = watched(kubernetes)
    run(kubernetes)
    kubernetes.put(
        f"{COLLECTIONS['jobs']}/gang-old", {**made["Job"], "metadata": {**made["Job"]["metadata"], "name": "gang-old"}}
    )
    of_another = {"metadata": {"name": "other", "labels": {"tributary/gang-task": "another"}}}
    kubernetes.put(f"{COLLECTIONS['jobs']}/other", of_another)
    deleted: list[str] = []
    kubernetes.on_delete = deleted.append
    assert run(kubernetes, attempt=1) is None
    assert deleted[0] == f"{COLLECTIONS['jobs']}/gang-old"
    assert left(kubernetes) == [f"{COLLECTIONS['jobs']}/other"]


def test_creations_whose_answers_are_lost_make_one_gang(kubernetes: Kubernetes) -> None:
    kubernetes.lost = [f"POST {COLLECTIONS['jobs']}", f"POST {COLLECTIONS['services']}"]
    succeed(kubernetes)
    assert run(kubernetes) is None
    assert kubernetes.asked.count(f"POST {COLLECTIONS['jobs']}") == 2
    assert left(kubernetes) == []


def test_an_api_that_is_away_for_a_while_and_a_watch_that_is_too_old_harm_nothing(kubernetes: Kubernetes) -> None:
    def then() -> None:
        # In this order: the failure is meant for a watch, and for nothing that is asked meanwhile.
        kubernetes.failing = "WATCH"
        kubernetes.failures = [status(410, "Expired", "too old resource version")]
        for index in (0, 1):
            kubernetes.report(index, "Succeeded", {"terminated": {"exitCode": 0}})

    when_made(kubernetes, 2, then)
    kubernetes.failures, kubernetes.failing = [Answer(503, "away")] * 3, f"GET {COLLECTIONS['jobs']}"
    assert run(kubernetes) is None


FOLLOWING = [f"GET {COLLECTIONS['jobs']}/", f"GET {COLLECTIONS['pods']}", "WATCH"]
REFUSALS = [
    status(403, "Forbidden", 'User "system:serviceaccount:runs:pipeline-runner" cannot'),
    status(401, "Unauthorized", "Unauthorized"),
]


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda refusal: f"{refusal.status}")
@pytest.mark.parametrize("asked", FOLLOWING)
def test_a_gang_lives_while_an_api_that_starts_anew_refuses(
    kubernetes: Kubernetes, asked: str, refusal: Answer
) -> None:
    def on_pod(_pod: Any) -> None:
        kubernetes.failures, kubernetes.failing = [refusal] * 3, asked

    def end() -> None:
        for index in (0, 1):
            kubernetes.report(index, "Succeeded", {"terminated": {"exitCode": 0}})

    kubernetes.on_pod, kubernetes.on_watch = on_pod, end
    assert run(kubernetes) is None
    assert kubernetes.failures == []
    assert left(kubernetes) == []


@pytest.mark.parametrize("asked", FOLLOWING)
def test_a_refusal_that_lasts_ends_the_gang_with_its_message(kubernetes: Kubernetes, asked: str) -> None:
    def on_pod(_pod: Any) -> None:
        kubernetes.failures, kubernetes.failing = [REFUSALS[0]] * 1000, asked

    kubernetes.on_pod = on_pod
    failure = run(kubernetes, patience=0.1)
    said = 'its gang of 2 pods cannot be run: User "system:serviceaccount:runs:pipeline-runner" cannot (403)'
    assert failure == outputs.Failure(1, f"{NAME}, attempt 0: {said}")
    assert len(kubernetes.failures) < 999
    assert left(kubernetes) == []


def test_an_account_without_the_right_is_told_which(kubernetes: Kubernetes) -> None:
    said = 'jobs.batch is forbidden: User "system:serviceaccount:runs:pipeline-runner" cannot create resource "jobs"'
    kubernetes.failures, kubernetes.failing = [status(403, "Forbidden", said)], f"POST {COLLECTIONS['jobs']}"
    failure = run(kubernetes)
    assert failure is not None
    assert failure.reason.startswith(
        f"{NAME}, attempt 0: its gang of 2 pods cannot be run: {said} (403). Let the steps'"
    )
    assert "create and delete jobs" in failure.reason
    assert kubernetes.asked.count(f"POST {COLLECTIONS['jobs']}") == 1
    assert left(kubernetes) == []
