"""Every flow of bridge/tests/flows on Kubeflow Pipelines against the same flow run on the laptop."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cluster.settings import Settings
from installer import demo
from laptop.compare import differences
from laptop.eventually import eventually
from laptop.shell import Laptop

FLOWS = sorted((Path(__file__).parents[3] / "bridge" / "tests" / "flows").glob("*_flow.py"))
DEMO = next(flow for flow in FLOWS if flow.stem == "digits_flow")
# The others, which mix the same constructs otherwise, take their time in `make test-long`.
SMALL = (
    "digits_flow",
    "branch_in_foreach_flow",
    "nested_foreach_flow",
    "parameters_flow",
    "retry_flow",
    "timeout_flow",
)
AT_A_TIME = 4
pytestmark = pytest.mark.cluster


@dataclass(frozen=True)
class Pair:
    """The two runs of one flow, as they become known."""

    laptop: Future[str]
    cluster: Future[str]


@pytest.fixture(scope="module")
def pairs(request: pytest.FixtureRequest, laptop: Laptop, settings: Settings, kubeflow: Any) -> Any:
    """Run the flows under test on the cluster, some at a time, and each of them here meanwhile."""
    asked: list[Path] = [
        item.callspec.params["flow"]  # type: ignore[misc]
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.path == Path(__file__)
    ]
    with ThreadPoolExecutor(AT_A_TIME) as clusters, ThreadPoolExecutor(1) as laptops:
        there = {flow: clusters.submit(_on_cluster, laptop, flow, settings, kubeflow) for flow in asked}
        here = {flow: laptops.submit(laptop.run_locally, flow) for flow in asked}
        yield {flow: Pair(here[flow], there[flow]) for flow in asked}


def _on_cluster(laptop: Laptop, flow: Path, settings: Settings, kubeflow: Any) -> str:
    """Deploy and trigger a flow, and wait for its end; gives the run id. The demo has one of `make install`."""
    if flow == DEMO:
        found = demo.find(laptop, demo.code_tag(settings))
        assert found is not None, "the demo has not run. Run `make install` first."
        return found.run_id
    laptop.deploy(flow)
    run_id = laptop.trigger(flow)

    def not_ended() -> str | None:
        state = kubeflow.get_run(run_id.removeprefix("kfp-")).state
        return None if state in ("SUCCEEDED", "FAILED", "CANCELED", "SKIPPED") else f"{flow.stem}, {run_id}, is {state}"

    eventually(not_ended, within=900, every=2)
    return run_id


@pytest.mark.parametrize(
    "flow",
    [pytest.param(flow, id=flow.stem, marks=() if flow.stem in SMALL else pytest.mark.long) for flow in FLOWS],
)
def test_same_tasks_and_artifacts_as_on_the_laptop(flow: Path, pairs: Any, metaflow: Any, kubeflow: Any) -> None:
    cluster_run = pairs[flow].cluster.result()
    name = _flow_name(flow)
    kubeflow_id = cluster_run.removeprefix("kfp-")
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
