"""Break one thing while a flow runs; the run must end as its user would want."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cluster.settings import Settings
from laptop.compare import Place
from laptop.ends import done_once, end_state, errors, status
from laptop.eventually import eventually
from laptop.gate import Gate
from laptop.shell import Laptop

pytestmark = pytest.mark.cluster
FLOWS = Path(__file__).parent / "flows"
VICTIM = FLOWS / "victim_flow.py"


def test_a_run_survives_the_death_of_the_service_and_of_the_database(
    laptop: Laptop, settings: Settings, kubernetes_api: Any, gate: Gate, metaflow: Any, kubeflow: Any
) -> None:
    flow = FLOWS / "gate_flow.py"
    laptop.deploy(flow)
    run_id = laptop.trigger(flow, "--gate", gate.key)
    gate.both_arrived()
    for component in ("metadata-service", "database"):
        _kill_pod_of(kubernetes_api, settings, component)
    gate.open()

    assert end_state(kubeflow, run_id) == "SUCCEEDED"
    run = metaflow.Run(f"GateFlow/{run_id}")
    assert run.successful
    done = done_once(run)
    work = [Place("work", (index,)) for index in (0, 1)]
    assert set(done) == {Place("start"), *work, Place("join"), Place("end")}
    assert [done[place].artifacts["after"] for place in work] == [7, 11]
    assert done[Place("end")].artifacts["report"] == "total 18"


GRACES = {"deleted": 30, "forced": 0}
SAID = {
    "deleted": "it was told to end by a signal from outside (SIGTERM, exit code 143)",
    "forced": "its pod was deleted while it ran",
}


@pytest.fixture(scope="module")
def victims(laptop: Laptop, new_gate: Callable[[], Gate]) -> dict[str, tuple[Gate, str]]:
    """Runs whose step waits to be ended, with their gates. They start side by side, for that takes the longest."""
    laptop.deploy(VICTIM)
    gates = {how: new_gate() for how in GRACES}
    return {how: (gate, laptop.trigger(VICTIM, "--gate", gate.key)) for how, gate in gates.items()}


@pytest.mark.parametrize("how", GRACES)
def test_a_run_ends_when_a_step_pod_is_deleted(
    how: str,
    victims: dict[str, tuple[Gate, str]],
    laptop: Laptop,
    settings: Settings,
    kubernetes_api: Any,
    metaflow: Any,
    kubeflow: Any,
) -> None:
    """Retried, or failed with the very reason at the very step: Kubeflow Pipelines decides."""
    gate, run_id = victims[how]
    pod = gate.arrived("arrived")
    kubernetes_api.delete_namespaced_pod(pod, settings.kubeflow_namespace, grace_period_seconds=GRACES[how])

    state = end_state(kubeflow, run_id)
    done = done_once(metaflow.Run(f"VictimFlow/{run_id}"))
    if state == "SUCCEEDED":
        assert set(done) == {Place("start"), Place("victim"), Place("end")}
        assert done[Place("victim")].attempt == 1
        assert done[Place("end")].artifacts["report"] == "result 21"
    else:
        assert state == "FAILED"
        assert set(done) == {Place("start")}
        assert errors(status(laptop, VICTIM, run_id)) == {"victim": SAID[how]}


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
