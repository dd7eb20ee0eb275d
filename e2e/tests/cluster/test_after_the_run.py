"""What can be done with a run that has ended, from the command line and from Python."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from laptop.compare import Place
from laptop.ends import ENDS_WITHIN, done_once, end_state
from laptop.gate import Gate
from laptop.shell import Laptop

pytestmark = [pytest.mark.cluster, pytest.mark.long, pytest.mark.timeout(4500)]
MENDED = Path(__file__).parent / "flows" / "mended_flow.py"


def test_a_failed_run_is_resumed_where_it_failed_and_its_logs_are_shown(
    laptop: Laptop, gate: Gate, metaflow: Any, kubeflow: Any
) -> None:
    laptop.deploy(MENDED)
    origin = laptop.trigger(MENDED, "--gate", gate.key)
    assert end_state(kubeflow, origin) == "FAILED"
    said = laptop.flow(MENDED, "kubeflow-pipelines", "logs", origin, "fit/1", options=["--quiet"]).out
    assert "item 5" in said and "ValueError: item 5 is not mended" in said
    assert "item 3" not in said

    gate.open()
    resumed = _resume(laptop, origin)
    assert end_state(kubeflow, resumed) == "SUCCEEDED"
    run = metaflow.Run(f"MendedFlow/{resumed}")
    done = done_once(run)
    assert done[Place("end")].artifacts["report"] == "total 16"
    assert done[Place("join")].artifacts["fitted_in"] == [origin, resumed]
    assert run["start"].task.origin_pathspec == f"MendedFlow/{origin}/start/t-start"
    assert {task.metadata_dict["origin-run-id"] for step in run for task in step} == {origin}
    assert run.data.gate == gate.key


@pytest.mark.long
def test_a_run_of_the_laptop_is_resumed_on_the_cluster(
    laptop: Laptop, gate: Gate, metaflow: Any, kubeflow: Any
) -> None:
    gate.open()
    laptop.deploy(MENDED)
    local = laptop.run_locally(MENDED, parameters=["--gate", gate.key])
    resumed = _resume(laptop, local, "--step-to-rerun", "join")
    assert end_state(kubeflow, resumed) == "SUCCEEDED"
    done = done_once(metaflow.Run(f"MendedFlow/{resumed}"))
    assert done[Place("join")].artifacts["fitted_in"] == [local, local]
    assert done[Place("fit", (1,))].pathspec.endswith("/fit/t-fit-1")


@pytest.mark.long
def test_python_goes_from_the_flows_file_to_the_runs_data(gate: Gate, metaflow: Any, laptop: Laptop) -> None:
    deployer = metaflow.Deployer(str(MENDED), show_output=False, pylint=False)
    deployed = deployer.kubeflow_pipelines().create()
    run = deployed.trigger(gate=gate.key)
    run.wait_for_completion(timeout=ENDS_WITHIN)
    assert run.status == "Failed"
    assert "item 5 is not mended" in run.status_details["error"]
    assert "item 5" in run.logs("fit/1")
    gate.open()
    assert run.retry()
    run.wait_for_run(timeout=ENDS_WITHIN)
    run.wait_for_completion(timeout=ENDS_WITHIN)
    assert run.status == "Succeeded"
    assert run.run.data.report == "total 16"

    found = metaflow.DeployedFlow.from_kubeflow_pipelines(deployed.id)
    assert found.production_token == deployed.production_token
    again = metaflow.DeployedFlow.get_triggered_kubeflow_pipelines_run(deployed.id, run.name)
    resumed = again.resume(step_to_rerun="join")
    resumed.wait_for_completion(timeout=ENDS_WITHIN)
    assert resumed.run.data.fitted_in == [run.name, run.name]


def _resume(laptop: Laptop, origin: str, *words: str) -> str:
    """`resume`; gives the new run's id."""
    written = laptop.client / "resumed-mended"
    laptop.flow(MENDED, "kubeflow-pipelines", "resume", origin, "--run-id-file", str(written), *words)
    resumed = written.read_text().strip()
    written.unlink()
    return resumed
