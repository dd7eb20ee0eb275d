"""What was uploaded is read back: a server that dropped or changed something is found out."""

import json
from typing import Any

import pytest

from bridge.tests.lib.graphs import TARGET
from bridge.tests.lib.kubeflow import Kubeflow
from metaflow_extensions.tributary.plugins.kubeflow_pipelines import deploy, stored
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.compiler.emit import Documents
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.provenance import DeploymentNotes, FlowIdentity
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.refusals import Refused
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.server import Server

NOTED = DeploymentNotes(FlowIdentity("TestFlow"), "alice")
PIPELINE = {
    "pipelineInfo": {"name": "f"},
    "root": {"dag": {"tasks": {"a": {"cachingOptions": {}, "iteratorPolicy": {"parallelismLimit": 100}}}}},
}
PLATFORM = {"platforms": {"kubernetes": {"deploymentSpec": {"executors": {"pod-1": {"imagePullPolicy": "Always"}}}}}}
TEXT = Documents(PIPELINE, PLATFORM).text()


def changed(change: Any) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(json.dumps({"pipeline_spec": PIPELINE, "platform_spec": PLATFORM}))
    change(document)
    return document


def test_what_is_stored_as_it_was_given_is_no_difference() -> None:
    assert stored.difference(TEXT, changed(lambda _: None)) is None


def test_a_server_that_writes_documents_anew_is_no_difference() -> None:
    def anew(document: dict[str, Any]) -> None:
        task = document["pipeline_spec"]["root"]["dag"]["tasks"]["a"]
        del task["cachingOptions"]
        task["iteratorPolicy"]["parallelismLimit"] = "100"
        task["triggerPolicy"] = {"condition": ""}

    assert stored.difference(TEXT, changed(anew)) is None


@pytest.mark.parametrize(
    ("found", "place"),
    [
        (PIPELINE, "platform_spec.platforms"),
        (PLATFORM, "pipeline_spec.pipelineInfo"),
        ({}, "pipeline_spec.pipelineInfo"),
        (changed(lambda each: each.pop("platform_spec")), "platform_spec.platforms"),
        (
            changed(lambda each: each["pipeline_spec"]["root"]["dag"]["tasks"].update(b={"taskInfo": {"name": "b"}})),
            "pipeline_spec.root.dag.tasks.b",
        ),
        (
            changed(
                lambda each: each["platform_spec"]["platforms"]["kubernetes"]["deploymentSpec"]["executors"][
                    "pod-1"
                ].clear()
            ),
            "platform_spec.platforms.kubernetes.deploymentSpec.executors.pod-1.imagePullPolicy",
        ),
    ],
    ids=["no platform", "platform taken for pipeline", "nothing", "one of two", "a task more", "a field less"],
)
def test_a_difference_is_named_by_its_place(found: dict[str, Any], place: str) -> None:
    assert stored.difference(TEXT, found) == place


def test_a_version_that_was_stored_otherwise_is_refused_and_taken_away(kubeflow: Kubeflow) -> None:
    first = deploy.create(Server(kubeflow.url), NOTED, TARGET, Documents(PIPELINE, PLATFORM), None)
    kubeflow.reads_platform = False
    other = Documents({**PIPELINE, "schemaVersion": "2.1.0"}, PLATFORM)
    with pytest.raises(Refused, match=r"stored something else .* pipeline_spec\.pipelineInfo; .* is taken away again"):
        deploy.create(Server(kubeflow.url), NOTED, TARGET, other, None, cron="0 0 * * * *")
    (left,) = kubeflow.versions["pipeline-1"]
    assert left["pipeline_version_id"] == first.version.id
    assert kubeflow.recurring_runs == {}


def test_a_version_that_was_there_before_is_never_taken_away(kubeflow: Kubeflow) -> None:
    first = deploy.create(Server(kubeflow.url), NOTED, TARGET, Documents(PIPELINE, PLATFORM), None)
    (held,) = kubeflow.versions["pipeline-1"]
    held["pipeline_spec"] = PIPELINE
    with pytest.raises(Refused, match=r"was there before, .* at platform_spec\.platforms\. It is left as it is"):
        deploy.create(Server(kubeflow.url), NOTED, TARGET, Documents(PIPELINE, PLATFORM), None)
    assert [each["pipeline_version_id"] for each in kubeflow.versions["pipeline-1"]] == [first.version.id]


def test_a_version_whose_description_was_dropped_is_taken_away(kubeflow: Kubeflow) -> None:
    kubeflow.reads_description = False
    with pytest.raises(Refused, match=r"at the version's description; the version .* is taken away again"):
        deploy.create(Server(kubeflow.url), NOTED, TARGET, Documents(PIPELINE, PLATFORM), None)
    assert kubeflow.versions["pipeline-1"] == []
