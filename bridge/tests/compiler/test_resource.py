"""A deployment as Kubernetes resources."""

import json
from dataclasses import replace

import pytest

from bridge.tests.lib.graphs import TARGET
from metaflow_extensions.tributary.plugins.kubeflow_pipelines import provenance, resource
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.compiler import capabilities
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.compiler.emit import Documents
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.provenance import DeploymentNotes, FlowIdentity
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.refusals import Refused

DOCUMENTS = Documents({"pipelineInfo": {"name": "testflow"}}, {"platforms": {"kubernetes": {}}})
NOTED = DeploymentNotes(FlowIdentity("TestFlow"), "alice", "token-0")


def test_a_pipeline_and_its_version_carry_both_documents_and_whose_they_are() -> None:
    text = resource.resources(DOCUMENTS, TARGET, NOTED, "v1", "team")
    pipeline, version = (json.loads(part) for part in text.split("---\n"))
    assert {each["apiVersion"] for each in (pipeline, version)} == {"pipelines.kubeflow.org/v2beta1"}
    assert (pipeline["kind"], pipeline["metadata"]) == ("Pipeline", {"name": "testflow", "namespace": "team"})
    assert (version["kind"], version["metadata"]["name"]) == ("PipelineVersion", "testflow-v1")
    assert version["spec"]["pipelineName"] == pipeline["metadata"]["name"]
    assert version["spec"]["pipelineSpec"] == DOCUMENTS.pipeline
    assert version["spec"]["platformSpec"] == DOCUMENTS.platform
    assert provenance.identity_of(pipeline["spec"]["description"]) == NOTED.identity
    assert provenance.notes_of(version["spec"]["description"]) == NOTED


def test_a_server_that_keeps_no_resources_is_named() -> None:
    old = replace(TARGET, capabilities=capabilities.of("2.5.0"))
    with pytest.raises(Refused, match=r"--format resource: needs Kubeflow Pipelines 2\.14, and the server is 2\.5\.0"):
        resource.resources(DOCUMENTS, old, NOTED, "v1", None)


@pytest.mark.parametrize("version", ["Version_1", "v1-", "x" * 250])
def test_a_version_name_that_kubernetes_could_not_use_is_refused(version: str) -> None:
    with pytest.raises(Refused, match="is not a name for Kubernetes"):
        resource.resources(DOCUMENTS, TARGET, NOTED, version, None)
