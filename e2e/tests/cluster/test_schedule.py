"""A flow with @schedule runs by itself, also when it was deployed anew, and stops when its pipeline is deleted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from laptop.eventually import eventually
from laptop.shell import Laptop

pytestmark = [pytest.mark.cluster, pytest.mark.long, pytest.mark.timeout(3600)]
FLOW = Path(__file__).parent / "flows" / "tick_flow.py"
PIPELINE = "tickflow"
ENDED = ("SUCCEEDED", "FAILED", "CANCELED", "SKIPPED")


@pytest.fixture
def schedule(laptop: Laptop, kubeflow: Any) -> Iterator[str]:
    """The id of the flow's recurring run; in the end pipeline, schedule and what still runs are gone."""
    laptop.deploy(FLOW)
    (found,) = schedules(kubeflow)
    yield found
    last = schedules(kubeflow)
    if last:
        laptop.flow(FLOW, "kubeflow-pipelines", "delete")
    for each in {found, *last}:
        for run in runs(kubeflow, each):
            if run.state not in ENDED:
                _terminate(kubeflow, run.run_id)


def test_a_scheduled_flow_runs_by_itself_until_it_is_deleted(
    schedule: str, laptop: Laptop, kubeflow: Any, metaflow: Any
) -> None:
    laptop.deploy(FLOW)
    assert schedules(kubeflow) == [schedule], "an unchanged schedule was not left alone"

    run_id = f"kfp-{_first_success(kubeflow, schedule)}"
    assert laptop.flow(FLOW, "kubeflow-pipelines", "status", run_id).out.startswith("Succeeded")
    run = metaflow.Run(f"TickFlow/{run_id}")
    assert run.successful
    assert run["end"].task["text"].data == "ticked 6"

    laptop.deploy(FLOW, "--tag", "deployed:anew")
    (replaced,) = schedules(kubeflow)
    assert replaced != schedule, "a schedule is bound to its version"
    assert kubeflow.get_recurring_run(replaced).status == "ENABLED"
    assert "deployed:anew" in metaflow.Run(f"TickFlow/kfp-{_first_success(kubeflow, replaced)}").tags

    laptop.flow(FLOW, "kubeflow-pipelines", "delete")
    assert schedules(kubeflow) == []


def _first_success(kubeflow: Any, schedule: str) -> str:
    """Wait for a run of the schedule that ends well; gives its id in Kubeflow Pipelines."""

    def nothing_succeeded() -> str | None:
        states = [run.state for run in runs(kubeflow, schedule)]
        return None if "SUCCEEDED" in states else f"runs of the schedule are {states}"

    eventually(nothing_succeeded, within=1500, every=3)
    return next(str(run.run_id) for run in runs(kubeflow, schedule) if run.state == "SUCCEEDED")


def _terminate(kubeflow: Any, run_id: str) -> None:
    """End a run. Of one that has ended since it was listed, Kubeflow says that there is no such row."""
    from kfp_server_api import ApiException

    try:
        kubeflow.terminate_run(run_id)
    except ApiException:
        if kubeflow.get_run(run_id).state not in ENDED:
            raise


def schedules(kubeflow: Any) -> list[str]:
    """Ids of the recurring runs of the flow's pipeline."""
    found = kubeflow.list_recurring_runs(page_size=100).recurring_runs or []
    return [each.recurring_run_id for each in found if each.display_name == PIPELINE]


def runs(kubeflow: Any, schedule: str) -> list[Any]:
    """What the schedule has started, the newest first."""
    found = kubeflow.list_runs(page_size=100, sort_by="created_at desc").runs or []
    return [each for each in found if each.recurring_run_id == schedule]
