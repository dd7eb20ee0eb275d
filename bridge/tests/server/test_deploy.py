"""The use cases against a server of our own: what is left there, and what is refused."""

import pytest

from bridge.tests.lib.graphs import TARGET
from bridge.tests.lib.kubeflow import Kubeflow, error
from metaflow_extensions.tributary.plugins.kubeflow_pipelines import deploy
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.compiler.emit import Documents
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.provenance import DeploymentNotes, FlowIdentity
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.refusals import Refused
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.server import Server

FIRST = Documents({"pipelineInfo": {"name": "testflow"}}, {"platforms": {}})
SECOND = Documents({"pipelineInfo": {"name": "testflow", "description": "other"}}, {"platforms": {}})
FLOW, OTHER = FlowIdentity("TestFlow"), FlowIdentity("OtherFlow")


def nothing_kept(blob: bytes) -> None:
    raise AssertionError("nothing is large")


def nothing_stored(key: str) -> bytes:
    raise AssertionError(f"nobody asks the datastore for {key}")


def create(
    kubeflow: Kubeflow, documents: Documents, version: str | None = None, flow: FlowIdentity = FLOW
) -> deploy.Deployed:
    return deploy.create(Server(kubeflow.url), DeploymentNotes(flow, "alice"), TARGET, documents, version)


def trigger(kubeflow: Kubeflow, version: str | None = None) -> str:
    return deploy.trigger(
        Server(kubeflow.url), FLOW, "testflow", {}, nothing_kept, version_name=version, experiment=None
    )


def test_the_same_flow_is_deployed_once(kubeflow: Kubeflow) -> None:
    first = create(kubeflow, FIRST)
    again = create(kubeflow, FIRST)
    assert (first.unchanged, again.unchanged) == (False, True)
    assert again.version == first.version


def test_a_changed_flow_becomes_a_further_version_and_is_the_one_that_runs(kubeflow: Kubeflow) -> None:
    create(kubeflow, FIRST)
    second = create(kubeflow, SECOND)
    trigger(kubeflow)
    assert len(kubeflow.versions["pipeline-1"]) == 2
    assert kubeflow.runs["run-1"]["pipeline_version_reference"]["pipeline_version_id"] == second.version.id


def test_going_back_to_an_older_flow_makes_it_the_newest(kubeflow: Kubeflow) -> None:
    first = create(kubeflow, FIRST)
    create(kubeflow, SECOND)
    back = create(kubeflow, FIRST)
    assert not back.unchanged
    assert back.version.id != first.version.id
    assert create(kubeflow, FIRST).unchanged


def test_a_named_version_can_be_run_by_its_name(kubeflow: Kubeflow) -> None:
    named = create(kubeflow, FIRST, "release-1")
    create(kubeflow, SECOND)
    trigger(kubeflow, "release-1")
    assert kubeflow.runs["run-1"]["pipeline_version_reference"]["pipeline_version_id"] == named.version.id
    with pytest.raises(Refused, match="no version 'release-9'"):
        trigger(kubeflow, "release-9")
    with pytest.raises(Refused, match="a version 'release-1' already"):
        create(kubeflow, SECOND, "release-1")


def test_a_pipeline_of_another_flow_is_left_alone(kubeflow: Kubeflow) -> None:
    create(kubeflow, FIRST, flow=OTHER)
    with pytest.raises(Refused, match="is made from flow 'OtherFlow'"):
        create(kubeflow, FIRST)
    with pytest.raises(Refused, match="is made from flow 'OtherFlow'"):
        deploy.delete(Server(kubeflow.url), FLOW, "testflow")
    assert len(kubeflow.versions["pipeline-1"]) == 1


def test_a_pipeline_that_metaflow_did_not_make_is_left_alone(kubeflow: Kubeflow) -> None:
    Server(kubeflow.url).create_pipeline("testflow", "somebody's own")
    with pytest.raises(Refused, match="was not made from a Metaflow flow"):
        create(kubeflow, FIRST)


def test_an_upload_that_fails_is_mended_by_the_next_create(kubeflow: Kubeflow) -> None:
    kubeflow.failing, kubeflow.failures = "POST /apis/v2beta1/pipelines/upload_version", [error(500, 13, "disk full")]
    with pytest.raises(Refused, match="disk full"):
        create(kubeflow, FIRST)
    with pytest.raises(Refused, match="has no version"):
        trigger(kubeflow)
    assert not create(kubeflow, FIRST).unchanged


def test_what_is_not_deployed_cannot_be_run_or_deleted(kubeflow: Kubeflow) -> None:
    with pytest.raises(Refused, match="Deploy it first"):
        trigger(kubeflow)
    with pytest.raises(Refused, match="Deploy it first"):
        deploy.delete(Server(kubeflow.url), FLOW, "testflow")


def test_a_run_is_terminated_while_it_runs_and_not_after(kubeflow: Kubeflow) -> None:
    create(kubeflow, FIRST)
    run_id = trigger(kubeflow)
    assert run_id == "kfp-run-1"
    assert deploy.terminate(Server(kubeflow.url), FLOW, "testflow", run_id, nothing_stored) == run_id
    assert kubeflow.runs["run-1"]["state"] == "CANCELING"
    kubeflow.runs["run-1"]["state"] = "SUCCEEDED"
    with pytest.raises(Refused, match="has ended already"):
        deploy.terminate(Server(kubeflow.url), FLOW, "testflow", run_id, nothing_stored)


def test_a_run_of_another_flow_is_left_alone(kubeflow: Kubeflow) -> None:
    create(kubeflow, FIRST)
    server = Server(kubeflow.url)
    other = deploy.create(server, DeploymentNotes(OTHER, "alice"), TARGET.__class__("other", 1), FIRST, None)
    run = server.start_run(other.pipeline, other.version, "name", {}, "Default")
    with pytest.raises(Refused, match="is no run of pipeline 'testflow'"):
        deploy.terminate(server, FLOW, "testflow", run, nothing_stored)


def test_a_run_that_is_not_there_is_said_in_one_sentence(kubeflow: Kubeflow) -> None:
    with pytest.raises(Refused, match="knows no such run"):
        deploy.status(Server(kubeflow.url), FLOW, "testflow", "kfp-nowhere", {"start": False}, nothing_stored, set)


def test_deployments_are_listed_over_all_pages(kubeflow: Kubeflow) -> None:
    server = Server(kubeflow.url)
    for name in ("a", "b", "c"):
        deploy.create(server, DeploymentNotes(FLOW, "alice"), TARGET.__class__(name, 1), FIRST, None)
    deploy.create(server, DeploymentNotes(OTHER, "alice"), TARGET.__class__("d", 1), FIRST, None)
    server.create_pipeline("e", "not ours")
    assert deploy.deployments(server, "TestFlow") == [("a", "TestFlow"), ("b", "TestFlow"), ("c", "TestFlow")]
    assert [name for name, _ in deploy.deployments(server, None)] == ["a", "b", "c", "d"]
