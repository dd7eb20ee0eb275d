"""Metaflow's Deployer API, against a Kubeflow Pipelines of our own; each command is a process, as a user's is."""

import gc
import json
import os
import runpy
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bridge.tests.lib.commands import SETTINGS
from bridge.tests.lib.graphs import flow
from bridge.tests.lib.kubeflow import Answer, Kubeflow, serving
from bridge.tests.lib.sources import two_steps
from bridge.tests.lib.walks import compiled
from metaflow_extensions.tributary.plugins.kubeflow_pipelines import deployed_flow, deployer, door
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.provenance import (
    DeploymentNotes,
    FlowIdentity,
    TakenParameter,
    describe_pipeline,
    describe_version,
)
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.refusals import Refused
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.server import Server

FLOW = two_steps(
    "DoorFlow",
    imports="from metaflow import FlowSpec, Parameter, step",
    body='    rate = Parameter("learning-rate", type=float, default=0.5)\n\n',
)
SPEC = {"root": {"inputDefinitions": {"parameters": {"resume_of": {"defaultValue": ""}, "learning_rate": {}}}}}


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where this process and its commands make temporary files."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def kubeflow(monkeypatch: pytest.MonkeyPatch) -> Iterator[Kubeflow]:
    """A Kubeflow Pipelines to which alice has deployed the flow, and which this process and its commands speak to."""
    for name in [name for name in os.environ if name.startswith(("METAFLOW_", "AWS_"))]:
        monkeypatch.delenv(name)
    with serving(Kubeflow()) as running:
        for name, value in {**SETTINGS, "METAFLOW_KUBEFLOW_PIPELINES_URL": running.url}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr("metaflow.metaflow_config.KUBEFLOW_PIPELINES_URL", running.url)
        server = Server(running.url)
        made = server.create_pipeline("doorflow", describe_pipeline(FlowIdentity("DoorFlow")))
        notes = DeploymentNotes(
            FlowIdentity("DoorFlow"), "alice", "doorflow-0-abcd", (TakenParameter("learning-rate", "float"),)
        )
        server.upload_version(made, "v1", json.dumps(SPEC), describe_version(notes))
        server.create_pipeline("somebodys", "not ours")
        yield running


def from_deployment() -> Any:
    return deployed_flow.KubeflowPipelinesDeployedFlow.from_deployment(
        "doorflow", metadata="service@http://127.0.0.1:9"
    )


@pytest.mark.slow
# Metaflow leaves the logs open that it reads for its error.
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_what_was_compiled_is_at_hand(kubeflow: Kubeflow, tmp_path: Path) -> None:
    from metaflow import Deployer

    (tmp_path / "door_flow.py").write_text(FLOW)
    made = Deployer(str(tmp_path / "door_flow.py"), show_output=False, pylint=False)
    deployed = made.kubeflow_pipelines(name="other").create(only_json=True, max_workers=7, fuse=False)
    assert (deployed.id, deployed.flow_name) == ("other", "DoorFlow")
    pipeline, _ = (json.loads(part) for part in deployed.pipeline_documents.split("\n---\n"))
    assert pipeline["pipelineInfo"]["name"] == "other"
    assert set(pipeline["root"]["dag"]["tasks"]) == {"start", "end"}
    assert deployed.production_token is None
    # Metaflow reads what the command said as soon as it has ended, which its own thread may not have written by then.
    with pytest.raises(RuntimeError, match="--only-json --new-token a --generate-new-token"):
        made.kubeflow_pipelines().create(only_json=True, new_token="a", generate_new_token=True)


@pytest.mark.slow
def test_a_run_from_its_start_to_its_end_without_the_flows_file(
    kubeflow: Kubeflow, monkeypatch: pytest.MonkeyPatch, temporary: Path
) -> None:
    monkeypatch.setenv("METAFLOW_USER", "alice")
    deployed = from_deployment()
    assert deployed.production_token == "doorflow-0-abcd"
    assert deployed.pipeline_documents is None
    run = deployed.trigger(**{"learning_rate": 0.25})
    assert (run.name, run.pathspec) == ("kfp-run-1", "DoorFlow/kfp-run-1")
    sent = kubeflow.runs["run-1"]["runtime_config"]["parameters"]
    assert json.loads(sent["learning_rate"]) == 0.25
    assert (run.status, run.is_running) == ("Running", True)
    with pytest.raises(TimeoutError, match="within 0 seconds"):
        run.wait_for_completion(timeout=0)
    assert run.terminate()
    assert kubeflow.runs["run-1"]["state"] == "CANCELING"
    kubeflow.runs["run-1"]["state"] = "FAILED"
    again = deployed_flow.KubeflowPipelinesDeployedFlow.get_triggered_run("doorflow", "kfp-run-1", "service@x")
    again.wait_for_completion()
    assert again.retry()
    assert kubeflow.runs["run-1"]["state"] == "RUNNING"
    assert not again.retry()
    del deployed, run, again
    gc.collect()
    assert list(temporary.iterdir()) == []


@pytest.mark.slow
def test_the_steps_of_a_run_are_known_without_the_flows_file(kubeflow: Kubeflow) -> None:
    """Metaflow knows such a flow by a file that it makes up, with the steps start and end."""
    server = Server(kubeflow.url)
    made = server.find_pipeline("doorflow")
    assert made is not None
    notes = DeploymentNotes(FlowIdentity("DoorFlow"), "alice", "doorflow-0-abcd")
    spec = compiled(flow("start * fit\nfit > join\njoin > end")).split("\n---\n")[0]
    server.upload_version(made, "v2", spec, describe_version(notes))
    run = from_deployment().trigger()
    kubeflow.workflows["run-1"] = {
        "metadata": {"name": "wf-1"},
        "status": {
            "nodes": {
                "a": pod("start.executor", "Succeeded"),
                "b": pod("fit.iteration-iterations(3:3).iteration-item.executor", "Failed"),
            }
        },
    }
    tasks = run.status_details["tasks"]
    assert [(task["step"], task["indexes"], task["state"]) for task in tasks] == [
        ("start", [], "SUCCEEDED"),
        ("fit", [3], "FAILED"),
    ]


def pod(where: str, phase: str) -> dict[str, str]:
    """A pod among the nodes of a workflow."""
    template = "system-container-impl"
    return {"name": f"wf-1.root.{where}", "type": "Pod", "phase": phase, "message": "", "templateName": template}


@pytest.mark.slow
def test_a_server_that_is_away_is_not_taken_for_the_end_of_the_run(kubeflow: Kubeflow) -> None:
    run = from_deployment().trigger()
    kubeflow.failing = "GET /apis/v2beta1/runs"
    kubeflow.failures = [Answer(503, "starting")] * 9
    with pytest.raises(door.CommandFailed, match="Try again when it is well"):
        run.wait_for_completion()


def test_the_file_of_a_flow_without_one_goes_with_its_deployer(kubeflow: Kubeflow, temporary: Path) -> None:
    found = from_deployment()
    assert len(list(temporary.glob("tributary-*"))) == 1
    del found
    gc.collect()
    assert list(temporary.iterdir()) == []


def test_only_flows_of_metaflow_are_listed_and_found(kubeflow: Kubeflow) -> None:
    listed = deployed_flow.KubeflowPipelinesDeployedFlow.list_deployed_flows
    assert [flow.name for flow in listed()] == ["doorflow"]
    assert list(listed("OtherFlow")) == []
    with pytest.raises(door.CommandFailed, match="was not made from a Metaflow flow"):
        deployed_flow.KubeflowPipelinesDeployedFlow.from_deployment("somebodys")
    with pytest.raises(door.CommandFailed, match="is not on Kubeflow Pipelines"):
        deployed_flow.KubeflowPipelinesDeployedFlow.from_deployment("nowhere")


@pytest.mark.parametrize(
    ("branch", "options"),
    [
        ("prod", {"production": True}),
        ("prod.blue", {"production": True, "branch": "blue"}),
        ("test.blue", {"branch": "blue"}),
        ("user.alice", {}),
        (None, {}),
    ],
)
def test_a_branch_is_said_by_the_options_that_made_it(branch: str | None, options: dict[str, Any]) -> None:
    assert deployed_flow._branch(FlowIdentity("DoorFlow", "project", branch)) == options


@pytest.mark.parametrize(
    ("branch", "variables"),
    [("user.alice", {"METAFLOW_OWNER": "alice"}), ("test.blue", {}), ("prod", {}), (None, {})],
)
def test_a_users_own_branch_is_named_without_taking_the_users_place(
    branch: str | None, variables: dict[str, str]
) -> None:
    assert deployed_flow._names_branch(FlowIdentity("DoorFlow", "project", branch)) == variables


@pytest.mark.slow
def test_anothers_pipeline_and_runs_are_changed_with_the_production_token_only(
    kubeflow: Kubeflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("METAFLOW_USER", "bob")
    deployed = from_deployment()
    run = deployed.trigger()
    assert not run.terminate()
    kubeflow.runs["run-1"]["state"] = "FAILED"
    assert not run.retry()
    assert not deployed.delete()
    assert not deployed.delete(authorize="another")
    assert (kubeflow.runs["run-1"]["state"], len(kubeflow.pipelines)) == ("FAILED", 2)
    assert run.retry(authorize="doorflow-0-abcd")
    assert run.terminate(authorize="doorflow-0-abcd")
    assert deployed.delete(authorize="doorflow-0-abcd")
    assert [each["name"] for each in kubeflow.pipelines.values()] == ["somebodys"]


PARAMETERS = (
    TakenParameter("colour", "Choice(['red', 'blue'])", required=True),
    TakenParameter("share", "IntRange"),
    TakenParameter("lambda", "str"),
    TakenParameter("start", "bool"),
    TakenParameter("it's", "float"),
    TakenParameter("shape", "JSON"),
    TakenParameter("notes", "FilePath", encoding="latin-1"),
)


def test_whatever_parameters_a_flow_has_the_file_that_stands_for_it_is_a_flow(kubeflow: Kubeflow) -> None:
    notes = DeploymentNotes(FlowIdentity("DoorFlow"), "alice", parameters=PARAMETERS)
    made = deployed_flow._deployer("doorflow", notes, "service@x")
    made_flow = runpy.run_path(made.flow_file, run_name="made")["DoorFlow"]
    taken = {name: each for name, each in vars(made_flow).items() if name.startswith("parameter_")}
    assert [each.name for each in taken.values()] == [each.name for each in PARAMETERS]
    assert "('colour', type=str" in Path(made.flow_file).read_text()


@pytest.mark.slow
def test_a_value_of_a_type_that_only_the_flow_knows_is_given_as_a_text(kubeflow: Kubeflow) -> None:
    notes = DeploymentNotes(FlowIdentity("DoorFlow"), "alice", parameters=PARAMETERS[:2])
    made = Server(kubeflow.url).find_pipeline("doorflow")
    assert made is not None
    Server(kubeflow.url).upload_version(made, "v2", json.dumps(SPEC), describe_version(notes))
    from_deployment().trigger(colour="red", share="3")
    assert kubeflow.runs["run-1"]["runtime_config"]["parameters"] == {"colour": '"red"', "share": '"3"'}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["suspend", "unsuspend"])
def test_what_needs_the_controller_is_refused_with_the_reason(kubeflow: Kubeflow, name: str) -> None:
    run = from_deployment().trigger()
    with pytest.raises(door.CommandFailed, match="needs the controller in the cluster"):
        getattr(run, name)()


def test_create_takes_the_names_of_metaflows_argo_integration() -> None:
    argo = {"given_token": "t", "user_namespace": "n", "workflow_title": "a", "workflow_description": "b", "tags": []}
    ours = {"new_token": "t", "namespace": "n", "title": "a", "description": "b", "tags": []}
    assert deployer._ours(argo) == deployer._ours(ours) == ours
    with pytest.raises(TypeError, match="title is given by two names"):
        deployer._ours({"title": "a", "workflow_title": "b"})


@pytest.mark.slow
def test_a_server_that_fails_does_not_read_as_nobodys_pipeline(kubeflow: Kubeflow) -> None:
    deployed = deployed_flow.KubeflowPipelinesDeployedFlow
    kubeflow.failing = "GET /apis/v2beta1/pipelines/p"
    for look in (lambda: deployed.from_deployment("doorflow"), lambda: list(deployed.list_deployed_flows())):
        kubeflow.failures = [Answer(503, "starting")] * 9
        with pytest.raises(Refused, match="Try again when it is well"):
            look()
