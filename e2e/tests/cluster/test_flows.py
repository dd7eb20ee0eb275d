"""Every flow of bridge/tests/flows on Kubeflow Pipelines against the same flow run on the laptop."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from laptop.compare import differences
from laptop.eventually import eventually
from laptop.shell import Laptop

FLOWS = sorted((Path(__file__).parents[3] / "bridge" / "tests" / "flows").glob("*_flow.py"))
pytestmark = pytest.mark.cluster


@dataclass(frozen=True)
class Pair:
    """The two runs of one flow, as they become known."""

    laptop: Future[str]
    cluster: Future[str]


@pytest.fixture(scope="module")
def pairs(laptop: Laptop, demo_image: str) -> Any:
    """Deploy and trigger all flows, then run each here while the cluster works on them."""
    with ThreadPoolExecutor(2) as two_at_a_time:
        triggered = {flow: two_at_a_time.submit(_on_cluster, laptop, flow, demo_image) for flow in FLOWS}
        here = {flow: two_at_a_time.submit(laptop.run_locally, flow) for flow in FLOWS}
        yield {flow: Pair(here[flow], triggered[flow]) for flow in FLOWS}


def _on_cluster(laptop: Laptop, flow: Path, demo_image: str) -> str:
    options = ["--with", f"kubernetes:image={demo_image}"] if flow.stem == "digits_flow" else []
    laptop.deploy(flow, options=options)
    return laptop.trigger(flow)


@pytest.mark.parametrize("flow", FLOWS, ids=lambda path: path.stem)
def test_same_tasks_and_artifacts_as_on_the_laptop(flow: Path, pairs: Any, metaflow: Any, kubeflow: Any) -> None:
    cluster_run = pairs[flow].cluster.result()
    name = _flow_name(flow)
    kubeflow_id = cluster_run.removeprefix("kfp-")

    def not_ended() -> str | None:
        state = kubeflow.get_run(kubeflow_id).state
        return None if state in ("SUCCEEDED", "FAILED", "CANCELED", "SKIPPED") else f"{name}/{cluster_run} is {state}"

    eventually(not_ended, within=900)
    laptop_run = pairs[flow].laptop.result()
    assert kubeflow.get_run(kubeflow_id).state == "SUCCEEDED"
    assert metaflow.Run(f"{name}/{cluster_run}").successful
    assert differences(metaflow.Run(f"{name}/{laptop_run}"), metaflow.Run(f"{name}/{cluster_run}")) == []


def _flow_name(flow: Path) -> str:
    """The name of the FlowSpec class in a file, read without running the file."""
    import ast

    names = [
        node.name
        for node in ast.parse(flow.read_text()).body
        if isinstance(node, ast.ClassDef) and any(getattr(base, "id", "") == "FlowSpec" for base in node.bases)
    ]
    (name,) = names
    return name
