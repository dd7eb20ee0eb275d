"""A run is answered for when it is a run of this flow's deployment, be its pipeline there or gone."""

import json
from typing import Any

import pytest

from bridge.tests.lib.graphs import TARGET
from bridge.tests.lib.kubeflow import Kubeflow
from metaflow_extensions.tributary.plugins.kubeflow_pipelines import deploy, guard
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.compiler.emit import Documents
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.provenance import DeploymentNotes, FlowIdentity
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.refusals import Refused
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.server import Server

FLOW = FlowIdentity("TestFlow", "demo", "prod")
NOTES = DeploymentNotes(FLOW, "alice", "token")
DOCUMENTS = Documents({"pipelineInfo": {"name": "testflow"}}, {"platforms": {}})
KEY = "0123456789" * 4
RECORD = {"pipeline": "testflow", "owner": "alice", "production_token": "token"}


@pytest.fixture
def kubeflow(kubeflow: Kubeflow) -> Kubeflow:
    server = Server(kubeflow.url)
    deploy.create(server, NOTES, TARGET, DOCUMENTS, None)
    deploy.trigger(server, FLOW, "testflow", {}, print, version_name=None, experiment=None)
    return kubeflow


def found(kubeflow: Kubeflow, stored: dict[str, Any], identity: FlowIdentity = FLOW) -> guard.FlowRun:
    def recall(key: str) -> bytes:
        return json.dumps(stored[key]).encode()

    return guard.flow_run(Server(kubeflow.url), identity, "testflow", "kfp-run-1", recall)


def workflow(flow: str) -> dict[str, Any]:
    """As Argo keeps a run of Kubeflow's: containers as JSON in an argument."""
    container = json.dumps({"args": [f"s3://bucket/metaflow/{flow}/data/01/{KEY}", "start"]})
    return {"spec": {"arguments": {"parameters": [{"name": "implementations", "value": container}]}}}


def gone(kubeflow: Kubeflow, flow: str = "TestFlow") -> None:
    """The pipeline is deleted, and its run stays."""
    kubeflow.pipelines.clear()
    kubeflow.workflows["run-1"] = workflow(flow)


def test_a_run_of_the_pipeline_comes_with_what_its_version_says(kubeflow: Kubeflow) -> None:
    assert found(kubeflow, {}).notes == NOTES


def test_a_run_outlives_its_pipeline(kubeflow: Kubeflow) -> None:
    gone(kubeflow)
    run = found(kubeflow, {KEY: {"record": RECORD, "loader": ""}})
    assert run.run.id == "run-1"
    assert run.notes == DeploymentNotes(FLOW, "alice", "token", None)


def test_a_run_outlives_its_pipeline_being_made_again(kubeflow: Kubeflow) -> None:
    gone(kubeflow)
    kubeflow.pipelines["pipeline-9"] = {"pipeline_id": "pipeline-9", "name": "testflow", "description": "by hand"}
    assert found(kubeflow, {KEY: {"record": RECORD}}).run.id == "run-1"


@pytest.mark.parametrize(
    ("flow", "stored"),
    [
        ("OtherFlow", {}),
        ("TestFlow", {KEY: {"record": {**RECORD, "pipeline": "of-another-branch"}}}),
        ("TestFlow", {KEY: ["something", "else"]}),
    ],
    ids=["another flow", "another branch", "no record"],
)
def test_a_run_of_something_else_is_refused_when_the_pipeline_is_gone(
    kubeflow: Kubeflow, flow: str, stored: dict[str, Any]
) -> None:
    gone(kubeflow, flow)
    with pytest.raises(Refused, match="is no run of pipeline 'testflow' of flow 'TestFlow' of project 'demo'"):
        found(kubeflow, stored)


def test_a_run_that_was_made_from_no_pipeline_is_refused(kubeflow: Kubeflow) -> None:
    del kubeflow.runs["run-1"]["pipeline_version_reference"]
    with pytest.raises(Refused, match="is no run of pipeline"):
        found(kubeflow, {})


def test_a_pipeline_of_another_branch_is_left_alone(kubeflow: Kubeflow) -> None:
    other = FlowIdentity("TestFlow", "demo", "test.b")
    with pytest.raises(Refused, match="Rename the flow or its branch"):
        found(kubeflow, {}, other)
    with pytest.raises(Refused, match=r"made from flow 'TestFlow' of project 'demo', branch 'prod'"):
        deploy.create(Server(kubeflow.url), DeploymentNotes(other, "alice"), TARGET, DOCUMENTS, None)
