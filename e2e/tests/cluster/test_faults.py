"""Break one thing while a flow runs; the run must end as its user would want."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cluster.settings import Settings
from laptop.compare import Place
from laptop.ends import done_once, end_state, errors, status
from laptop.eventually import eventually
from laptop.gate import Gate
from laptop.shell import Laptop

# Longer than all that one test waits for, so that what it waited for is said.
pytestmark = [pytest.mark.cluster, pytest.mark.timeout(2700)]
FLOWS = Path(__file__).parent / "flows"
HELD = FLOWS / "gate_flow.py"
VICTIM = FLOWS / "victim_flow.py"
GRACES = {"deleted": 30, "forced": 0}
GONE = "its pod was deleted while it ran"
# Of a pod that is given time to end Argo sees the exit code, or, when it looks late, only that the pod is gone.
SAID = {
    "deleted": {"it was told to end by a signal from outside (SIGTERM, exit code 143)", GONE},
    "forced": {GONE},
}


@dataclass(frozen=True)
class Started:
    """Runs that wait at gates: one whose platform is struck, and two that lose a pod."""

    held: tuple[Gate, str]
    victims: dict[str, tuple[Gate, str]]


@pytest.fixture(scope="module")
def started(laptop: Laptop, new_gate: Callable[[], Gate]) -> Started:
    """All runs side by side, for that they start takes the longest."""

    def start(flow: Path) -> tuple[Gate, str]:
        gate = new_gate()
        return gate, laptop.trigger(flow, "--gate", gate.key)

    for flow in (HELD, VICTIM):
        laptop.deploy(flow)
    return Started(held=start(HELD), victims={how: start(VICTIM) for how in GRACES})


@pytest.fixture(scope="module")
def struck(started: Started, settings: Settings, kubernetes_api: Any) -> dict[str, str]:
    """The runs that have lost a pod, by how. Both lose theirs at once, for one is given time to end."""
    for how, (gate, _) in started.victims.items():
        pod = gate.arrived("arrived")
        kubernetes_api.delete_namespaced_pod(pod, settings.kubeflow_namespace, grace_period_seconds=GRACES[how])
    return {how: run_id for how, (_, run_id) in started.victims.items()}


@pytest.mark.parametrize("how", GRACES)
def test_a_run_ends_when_a_step_pod_is_deleted(
    how: str, struck: dict[str, str], laptop: Laptop, metaflow: Any, kubeflow: Any
) -> None:
    """Retried, or failed with the very reason at the very step: Kubeflow Pipelines decides."""
    run_id = struck[how]
    state = end_state(kubeflow, run_id)
    done = done_once(metaflow.Run(f"VictimFlow/{run_id}"))
    if state == "SUCCEEDED":
        assert set(done) == {Place("start"), Place("victim"), Place("end")}
        assert done[Place("victim")].attempt == 1
        assert done[Place("end")].artifacts["report"] == "result 21"
    else:
        assert state == "FAILED"
        assert set(done) == {Place("start")}
        said = errors(status(laptop, VICTIM, run_id))
        assert said.keys() == {"victim"}
        assert said["victim"] in SAID[how]


def test_a_run_survives_the_death_of_the_service_and_of_the_database(
    started: Started, settings: Settings, kubernetes_api: Any, metaflow: Any, kubeflow: Any
) -> None:
    gate, run_id = started.held
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
