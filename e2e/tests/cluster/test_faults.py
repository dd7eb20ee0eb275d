"""Break one thing while a flow runs; the run must end as its user would want."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from cluster.settings import Settings
from laptop.compare import tasks
from laptop.eventually import eventually
from laptop.shell import Laptop

pytestmark = pytest.mark.cluster
FLOWS = Path(__file__).parent / "flows"
ENDS_WITHIN = 600


@pytest.fixture
def bucket(facts: dict[str, str]) -> str:
    return facts["METAFLOW_DATASTORE_SYSROOT_S3"].removeprefix("s3://").split("/")[0]


@pytest.fixture
def gate() -> str:
    return f"gates/{uuid.uuid4().hex[:12]}"


def test_a_run_survives_the_death_of_the_service_and_of_the_database(
    laptop: Laptop,
    settings: Settings,
    kubernetes_api: Any,
    store: Any,
    bucket: str,
    gate: str,
    metaflow: Any,
    kubeflow: Any,
) -> None:
    flow = FLOWS / "gate_flow.py"
    laptop.deploy(flow)
    run_id = laptop.trigger(flow, "--gate", gate)
    for index in (0, 1):
        eventually(lambda key=f"{gate}/arrived-{index}": _missing(store, bucket, key), within=300)  # type: ignore[misc]
    for component in ("metadata-service", "database"):
        _kill_pod_of(kubernetes_api, settings, component)
    store.put_object(Bucket=bucket, Key=f"{gate}/open", Body=b"")

    assert _end_state(kubeflow, run_id) == "SUCCEEDED"
    run = metaflow.Run(f"GateFlow/{run_id}")
    assert run.successful
    seen = tasks(run)
    assert sorted(seen) == [("end", ()), ("join", ()), ("start", ()), ("work", (0,)), ("work", (1,))]
    assert [seen["work", (index,)].artifacts["after"] for index in (0, 1)] == [7, 11]
    assert seen["end", ()].artifacts["report"] == "total 18"


@pytest.mark.parametrize("grace", [30, 0], ids=["deleted", "forced"])
def test_a_run_ends_when_a_step_pod_is_deleted(
    grace: int,
    laptop: Laptop,
    settings: Settings,
    kubernetes_api: Any,
    store: Any,
    bucket: str,
    gate: str,
    metaflow: Any,
    kubeflow: Any,
) -> None:
    flow = FLOWS / "victim_flow.py"
    laptop.deploy(flow)
    run_id = laptop.trigger(flow, "--gate", gate)
    eventually(lambda: _missing(store, bucket, f"{gate}/arrived"), within=300)
    pod = store.get_object(Bucket=bucket, Key=f"{gate}/arrived")["Body"].read().decode()
    kubernetes_api.delete_namespaced_pod(pod, settings.kubeflow_namespace, grace_period_seconds=grace)

    state = _end_state(kubeflow, run_id)
    said = laptop.flow(flow, "kubeflow-pipelines", "status", run_id).out
    seen = tasks(metaflow.Run(f"VictimFlow/{run_id}"))
    if state == "SUCCEEDED":
        assert seen["victim", ()].attempt == 1
        assert seen["end", ()].artifacts["report"] == "result 21"
    else:
        assert "victim" in said and "deleted" in said, said
        assert ("end", ()) not in seen


def _end_state(kubeflow: Any, run_id: str) -> str:
    ended = ("SUCCEEDED", "FAILED", "CANCELED", "SKIPPED")

    def not_ended() -> str | None:
        state = kubeflow.get_run(run_id.removeprefix("kfp-")).state
        return None if state in ended else f"{run_id} is {state}"

    eventually(not_ended, within=ENDS_WITHIN)
    state: str = kubeflow.get_run(run_id.removeprefix("kfp-")).state
    return state


def _missing(store: Any, bucket: str, key: str) -> str | None:
    try:
        store.head_object(Bucket=bucket, Key=key)
    except ClientError as answer:
        if answer.response["Error"]["Code"] != "404":
            raise
        return f"{key} is not in the bucket"
    return None


def _kill_pod_of(api: Any, settings: Settings, component: str) -> None:
    """Delete the component's pods without grace; returns when none of them is left."""
    selector = f"app.kubernetes.io/component={component},app.kubernetes.io/instance={settings.release}"
    listing: Callable[[], Any] = lambda: api.list_namespaced_pod(settings.namespace, label_selector=selector).items  # noqa: E731
    doomed = {pod.metadata.uid: pod.metadata.name for pod in listing()}
    assert doomed, f"no pod of {component}"
    for name in doomed.values():
        api.delete_namespaced_pod(name, settings.namespace, grace_period_seconds=0)
    eventually(
        lambda: f"{component} still stands" if doomed.keys() & {pod.metadata.uid for pod in listing()} else None,
        within=60,
    )
