"""Every flow of bridge/tests/flows on Kubeflow Pipelines against the same flow run on the laptop.

A third of them runs in `make test`, all in `make e2e-all`. A flow that cannot run here is skipped with the reason that
support.py gives, after the bridge has refused it with that very reason; when it is not refused any more the test fails.
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cluster.settings import Settings
from installer import demo
from laptop.compare import differences
from laptop.ends import end_state
from laptop.shell import Laptop
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.support import Support

FLOWS = sorted((Path(__file__).parents[3] / "bridge" / "tests" / "flows").glob("*_flow.py"))
DEMO = next(flow for flow in FLOWS if flow.stem == "digits_flow")
# Those of `make test`, and what each stands for. The others mix the same constructs otherwise.
CHOSEN = {
    "digits_flow": "foreach, join, card and model, as the demo has run it",
    "nested_foreach_flow": "a foreach in a foreach",
    "switch_in_foreach_flow": "a switch in a foreach, and a step that follows itself",
    "parameters_flow": "parameters of every type",
    "config_flow": "Configs of every kind",
    "retry_flow": "@retry and @catch, and a step that is killed",
    "timeout_flow": "@timeout",
}
assert CHOSEN.keys() <= {flow.stem for flow in FLOWS}
# Flows that the bridge refuses here, and the entry of support.py that says why.
REFUSED: dict[str, Support] = {}
# Each pod of a run costs half a second of processor time, and the laptop's runs take the rest of two cores.
AT_A_TIME = 4
TAG = "e2e:compared"
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
        here = {flow: laptops.submit(_here, laptop, flow, settings) for flow in asked}
        yield {flow: Pair(here[flow], there[flow]) for flow in asked}


def _on_cluster(laptop: Laptop, flow: Path, settings: Settings, kubeflow: Any) -> str:
    """Deploy and trigger a flow, and wait for its end; gives the run id. The demo has one of `make install`.

    Of a flow that is refused, gives what was said.
    """
    if flow == DEMO:
        found = demo.find(laptop, demo.code_tag(settings))
        assert found is not None, "the demo has not run. Run `make install` first."
        return found.run_id
    if flow.stem in REFUSED:
        done = laptop.flow(flow, "kubeflow-pipelines", "create", expect=None)
        assert done.code == 2, f"{flow.stem} is not refused any more: take it out of REFUSED"
        return done.err + done.out
    laptop.deploy(flow, "--tag", TAG)
    run_id = laptop.trigger(flow)
    end_state(kubeflow, run_id, within=900)
    return run_id


def _here(laptop: Laptop, flow: Path, settings: Settings) -> str:
    """Run the flow on the laptop with the tag that its run on the cluster has; gives the run id."""
    return laptop.run_locally(flow, tags=[demo.code_tag(settings) if flow == DEMO else TAG])


@pytest.mark.parametrize(
    "flow",
    [pytest.param(flow, id=flow.stem, marks=() if flow.stem in CHOSEN else pytest.mark.long) for flow in FLOWS],
)
def test_a_run_reads_as_on_the_laptop(flow: Path, pairs: Any, metaflow: Any, kubeflow: Any) -> None:
    """Tasks, attempts, artifacts, tags, cards, logs, parents and children, indexes: all by Metaflow's own client."""
    cluster_run = pairs[flow].cluster.result()
    if refused := REFUSED.get(flow.stem):
        assert refused.note in cluster_run
        pytest.skip(refused.note)
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
