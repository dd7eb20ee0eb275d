"""Every flow of bridge/tests/flows on Kubeflow Pipelines against the same flow run on the laptop.

Some run once more with what a user may give them. Some are run by `make test`, all by `make e2e-all`.
A flow that cannot run here is skipped with the reason that support.py gives, after the bridge has refused it with that
very reason; when it is not refused any more the test fails.
"""

from __future__ import annotations

from collections import defaultdict
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

import pytest

from cluster.settings import Settings
from installer import demo
from laptop.compare import differences
from laptop.ends import end_state
from laptop.shell import Laptop
from laptop.stored_cards import StoredCards
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.support import Support

FLOWS = sorted((Path(__file__).parents[3] / "bridge" / "tests" / "flows").glob("*_flow.py"))
DEMO = next(flow for flow in FLOWS if flow.stem == "digits_flow")
# The third of the cases that `make test` runs, and what each stands for. The others mix the same constructs otherwise.
# Those of many pods come first, for what is begun last is waited for alone.
CHOSEN = {
    "nested_foreach_flow": "a foreach in a foreach",
    "switch_flow": "switches, one in an arm of another",
    "retry_flow": "@retry and @catch, and a step that is killed",
    "timeout_flow": "@timeout",
    "recursion_flow": "a switch that selects itself",
    "custom_names_flow": "branches, a join that merges, first and last steps of other names",
    "config_flow": "Configs of every kind",
    "parameters_flow": "parameters of every type",
    "project_flow": "@project",
    "mutators_flow": "decorators of the user's own",
    "single_step_flow": "one step alone",
    "digits_flow": "foreach, join, card and model, as the demo has run it",
}


@dataclass(frozen=True)
class Case:
    """A flow, and what is given to it: to both runs, to `create`, and when it is started.

    `options` stand before the command, `given` are a run's parameters, `create` is said to the cluster only.
    """

    flow: Path
    options: tuple[str, ...] = ()
    create: tuple[str, ...] = ()
    given: tuple[str, ...] = ()


def _flow(name: str) -> Path:
    return FLOWS[0].with_name(f"{name}_flow.py")


# Flows once more, with values that somebody gives. The defaults are those of the flow's own case.
GIVEN = {
    "given-config": Case(
        _flow("config"),
        options=(
            *("--config-value", "settings", '{"shared": 65, "retries": 0, "level": "high", "sizes": [3, 40, 5]}'),
            *("--config-value", "nothing", '{"now": "some"}'),
        ),
    ),
    "given-parameters": Case(
        _flow("parameters"),
        given=(
            *("--epochs=-5", "--learning-rate", "1e-7", "--nothing=--no-dashes", "--no-number", "12", "--empty", "x"),
            *("--layers", '{"sizes": [1, 2, 3], "name": "ünïcode {{a}} $(b)"}'),
        ),
    ),
    # More than Kubeflow takes in all inputs of a run together.
    "given-long-parameter": Case(_flow("parameters"), given=("--word", "long " * 3000)),
    "given-file": Case(_flow("include_file"), given=("--greeting", str(_flow("include_file")))),
    "given-project": Case(_flow("project"), options=("--branch", "of_tests", "--production")),
    "given-recursion-pods": Case(_flow("recursion"), create=("--loops", "pods")),
}
CASES = {flow.stem: Case(flow) for flow in FLOWS} | GIVEN
assert CHOSEN.keys() <= CASES.keys()
assert 3 * len(CHOSEN) >= len(CASES), "`make test` runs a third of the cases: choose one more"
# Flows that the bridge refuses here, and the entry of support.py that says why.
REFUSED: dict[str, Support] = {}
# Each pod of a run costs half a second of processor time, and the laptop's runs take the rest of two cores.
AT_A_TIME = 4
TAG = "e2e:compared"
# The longest takes 400 s on an idle machine, and four run at once on two cores.
ENDS_WITHIN = 1800.0
pytestmark = [pytest.mark.cluster, pytest.mark.timeout(ENDS_WITHIN + 300)]


@dataclass(frozen=True)
class Pair:
    """The two runs of one flow, as they become known."""

    laptop: Future[str]
    cluster: Future[str]


@pytest.fixture(scope="module")
def pairs(request: pytest.FixtureRequest, laptop: Laptop, settings: Settings, kubeflow: Any) -> Any:
    """Run the cases under test on the cluster, some at a time, and each of them here meanwhile."""
    asked: list[str] = [
        item.callspec.params["name"]  # type: ignore[misc]
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.path == Path(__file__)
    ]
    deploying: dict[Path, Lock] = defaultdict(Lock)
    with ThreadPoolExecutor(AT_A_TIME) as clusters, ThreadPoolExecutor(1) as laptops:
        there = {
            name: clusters.submit(_on_cluster, laptop, CASES[name], settings, kubeflow, deploying[CASES[name].flow])
            for name in asked
        }
        here = {name: laptops.submit(_here, laptop, CASES[name], settings) for name in asked}
        yield {name: Pair(here[name], there[name]) for name in asked}


def _on_cluster(laptop: Laptop, case: Case, settings: Settings, kubeflow: Any, deploying: Lock) -> str:
    """Deploy and trigger a flow, and wait for its end; gives the run id. The demo has one of `make install`.

    Of a flow that is refused, gives what was said. Cases of one flow are one pipeline: each has the newest version
    until its run is started.
    """
    flow = case.flow
    if flow == DEMO:
        found = demo.find(laptop, demo.code_tag(settings))
        assert found is not None, f"the demo has not run. Run `{settings.make('install')}` first."
        return found.run_id
    if flow.stem in REFUSED:
        done = laptop.flow(flow, "kubeflow-pipelines", "create", expect=None)
        assert done.code == 2, f"{flow.stem} is not refused any more: take it out of REFUSED"
        return done.err + done.out
    with deploying:
        laptop.deploy(flow, "--tag", TAG, *case.create, options=case.options)
        run_id = laptop.trigger(flow, *case.given, options=case.options)
    end_state(kubeflow, run_id, within=ENDS_WITHIN)
    return run_id


def _here(laptop: Laptop, case: Case, settings: Settings) -> str:
    """Run the flow on the laptop with the tag that its run on the cluster has; gives the run id."""
    tag = demo.code_tag(settings) if case.flow == DEMO else TAG
    return laptop.run_locally(case.flow, tags=[tag], parameters=case.given, options=case.options)


@pytest.mark.parametrize(
    "name", [*CHOSEN, *(pytest.param(name, marks=pytest.mark.long) for name in CASES if name not in CHOSEN)]
)
def test_a_run_reads_as_on_the_laptop(name: str, pairs: Any, metaflow: Any, kubeflow: Any) -> None:
    """Tasks, attempts, artifacts, tags, cards, logs, parents and children, indexes: all by Metaflow's own client."""
    flow = CASES[name].flow
    cluster_run = pairs[name].cluster.result()
    if refused := REFUSED.get(flow.stem):
        assert refused.note in cluster_run
        pytest.skip(refused.note)
    of = _flow_name(flow)
    laptop_run = pairs[name].laptop.result()
    assert kubeflow.get_run(cluster_run.removeprefix("kfp-")).state == "SUCCEEDED"
    assert metaflow.Run(f"{of}/{cluster_run}").successful
    assert differences(metaflow.Run(f"{of}/{laptop_run}"), metaflow.Run(f"{of}/{cluster_run}"), StoredCards()) == []


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
