"""Options of `create`, as a user gives them, against a Kubeflow Pipelines of our own."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.tests.lib.commands import command
from bridge.tests.lib.kubeflow import Kubeflow, serving
from bridge.tests.lib.sources import two_steps

# Each starts what a user types as a process of its own.
pytestmark = pytest.mark.slow

FLOW = two_steps(
    "NightlyFlow",
    imports="from metaflow import FlowSpec, schedule, step",
    before='@schedule(cron="30 4 * * MON")\n',
)

WIDE = """from metaflow import FlowSpec, step

class WideFlow(FlowSpec):
    @step
    def start(self):
        self.numbers = [1, 2, 3]
        self.next(self.work, foreach="numbers")

    @step
    def work(self):
        self.next(self.join)

    @step
    def join(self, inputs):
        self.next(self.end)

    @step
    def end(self):
        pass

if __name__ == "__main__":
    WideFlow()
"""
LIMITS = ("--batches", "100", "7", "--splits-per-pod", "5")


@pytest.fixture
def flow(tmp_path: Path) -> Path:
    path = tmp_path / "nightly_flow.py"
    path.write_text(FLOW)
    return path


@pytest.fixture
def kubeflow() -> Iterator[Kubeflow]:
    with serving(Kubeflow(health={"multi_user": True})) as running:
        yield running


def test_resources_for_a_newer_server_are_written_without_asking_any(flow: Path) -> None:
    done = command(
        flow,
        *("kubeflow-pipelines", "--kubeflow-namespace", "team", "create", "--only-json", "--format", "resource"),
        *("--server-version", "2.17", "--workflow-timeout", "60", "--title", "Nightly", "--version-name", "v1"),
    )
    assert done.returncode == 0, done.stderr
    assert "the recurring run of @schedule is made by `create` without --only-json" in done.stderr
    pipeline, version = (json.loads(part) for part in done.stdout.split("---\n"))
    assert pipeline["metadata"] == {"name": "nightlyflow", "namespace": "team"}
    assert version["metadata"] == {"name": "nightlyflow-v1", "namespace": "team"}
    assert version["spec"]["pipelineSpec"]["pipelineInfo"]["displayName"] == "Nightly"
    platform = version["spec"]["platformSpec"]["platforms"]["kubernetes"]
    assert platform["pipelineConfig"] == {"activeDeadlineSeconds": 60}


def test_what_shares_a_pod_is_the_users_choice_and_the_same_is_written_twice(flow: Path) -> None:
    """Two steps alike share a pod; a foreach of one pod is batched as far as the user says."""
    flow.write_text(WIDE)
    written = {}
    for words in ((), ("--no-fuse",), ("--splits-per-pod", "5", "--max-workers", "7"), ("--splits-per-pod", "1")):
        first, again = (command(flow, "kubeflow-pipelines", "create", "--only-json", *words) for _ in range(2))
        assert first.returncode == 0, first.stderr
        assert first.stdout == again.stdout
        pipeline = json.loads(first.stdout.split("\n---\n")[0])
        args = pipeline["deploymentSpec"]["executors"]["pod-1"]["container"]["args"]
        written[words] = list(pipeline["root"]["dag"]["tasks"]), [word for word in args if word in LIMITS]
    assert list(written.values()) == [
        (["join", "start", "work"], ["--batches", "100"]),
        (["end", "join", "start", "work"], ["--batches", "100"]),
        (["join", "start", "work"], ["--batches", "7", "--splits-per-pod", "5"]),
        (["join", "start", "work"], []),
    ]


def test_no_split_at_all_in_a_pod_is_refused(flow: Path) -> None:
    done = command(flow, "kubeflow-pipelines", "create", "--only-json", "--splits-per-pod", "0")
    assert done.returncode == 2
    assert "--splits-per-pod" in done.stderr and "Traceback" not in done.stderr


def test_an_option_that_the_usual_version_does_not_know_is_refused(flow: Path) -> None:
    done = command(flow, "kubeflow-pipelines", "create", "--only-json", "--workflow-timeout", "60")
    assert done.returncode == 2
    assert "--workflow-timeout: needs Kubeflow Pipelines 2.17, and the server is 2.14." in done.stderr


def test_the_server_is_asked_for_its_version_and_one_that_tells_none_is_taken_for_the_oldest(
    flow: Path, kubeflow: Kubeflow
) -> None:
    done = command(
        flow,
        *("kubeflow-pipelines", "--url", kubeflow.url, "--kubeflow-namespace", "team"),
        *("create", "--workflow-timeout", "60"),
    )
    assert done.returncode == 2
    assert f"Kubeflow Pipelines at {kubeflow.url}: tells no version, so only what 2.5 understands" in done.stderr
    assert "--workflow-timeout: needs Kubeflow Pipelines 2.17, and the server is unknown." in done.stderr
    assert kubeflow.pipelines == {}


IN_A_NAMESPACE = FLOW.replace("schedule, step", "kubernetes, schedule, step").replace(
    "    @step\n    def end", '    @kubernetes(namespace="team")\n    @step\n    def end'
)


def test_a_namespace_that_a_server_of_one_user_would_not_heed_is_refused(flow: Path, kubeflow: Kubeflow) -> None:
    flow.write_text(IN_A_NAMESPACE)
    kubeflow.health = {"tag_name": "2.14.3", "multi_user": False}
    done = command(flow, "kubeflow-pipelines", "--url", kubeflow.url, "--kubeflow-namespace", "team", "create")
    assert done.returncode == 2
    assert "@kubernetes(namespace='team') is refused: all pods of a run live in its namespace" in done.stderr
    assert kubeflow.pipelines == {}


def test_a_parameter_with_a_default_of_a_type_of_clicks_own_need_not_be_given(tmp_path: Path) -> None:
    flow = tmp_path / "ranged_flow.py"
    imports = "from metaflow._vendor import click\nfrom metaflow import FlowSpec, Parameter, schedule, step"
    body = '    n = Parameter("n", type=click.IntRange(1, 5), default=3, required=True)\n\n'
    flow.write_text(two_steps("RangedFlow", imports=imports, before='@schedule(cron="30 4 * * MON")\n', body=body))
    done = command(flow, "--quiet", "kubeflow-pipelines", "create", "--only-json")
    assert done.returncode == 0, done.stderr
    pipeline = json.loads(done.stdout.split("\n---\n")[0])
    # The pod takes the flow's own default: nobody gave a value.
    assert pipeline["root"]["inputDefinitions"]["parameters"]["n"]["defaultValue"] == ""
