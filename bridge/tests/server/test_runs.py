"""A run after it has ended: what may be resumed and retried, and what is refused."""

import json

import pytest

from bridge.tests.lib.graphs import TARGET
from bridge.tests.lib.kubeflow import Kubeflow
from metaflow_extensions.tributary.plugins.kubeflow_pipelines import deploy, runs
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.compiler.emit import Documents
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.provenance import (
    DeploymentNotes,
    FlowIdentity,
    TakenParameter,
)
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.refusals import Refused
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.server import Server

# Two steps in a row may be one task's.
STEPS = ("start", "fit,end")


def documents(**inputs: dict[str, str]) -> Documents:
    tasks = {step: {"inputs": {"parameters": {"step": {"runtimeValue": {"constant": step}}}}} for step in STEPS}
    root = {"inputDefinitions": {"parameters": inputs}, "dag": {"tasks": tasks}}
    return Documents({"pipelineInfo": {"name": "testflow"}, "root": root}, {"platforms": {}})


FLOW = documents(
    alpha={"parameterType": "STRING"},
    beta={"parameterType": "STRING", "defaultValue": "1"},
    resume_of={"parameterType": "STRING", "defaultValue": ""},
)
OURS, OTHER = FlowIdentity("TestFlow"), FlowIdentity("OtherFlow")
OLDER = documents(alpha={"parameterType": "STRING"})


def nothing_stored(key: str) -> bytes:
    raise AssertionError(f"nobody asks the datastore for {key}")


def triggered(kubeflow: Kubeflow, state: str, made: Documents = FLOW) -> str:
    server = Server(kubeflow.url)
    taken = (TakenParameter("alpha", "int"),)
    deploy.create(server, DeploymentNotes(OURS, "alice", parameters=taken), TARGET, made, None)
    run_id = deploy.trigger(server, OURS, "testflow", {"alpha": 2}, print, version_name=None, experiment=None)
    kubeflow.runs[run_id.removeprefix("kfp-")]["state"] = state
    return run_id


def resume(kubeflow: Kubeflow, run_id: str, step: str | None = None, began: bool = True) -> str:
    return runs.resume(
        Server(kubeflow.url),
        OURS,
        "testflow",
        run_id,
        recall=nothing_stored,
        step_to_rerun=step,
        began=lambda _: began,
        version_name=None,
        experiment=None,
    )


def test_a_resumed_run_is_told_its_origin_and_gives_no_parameter_of_its_own(kubeflow: Kubeflow) -> None:
    origin = triggered(kubeflow, "FAILED")
    assert resume(kubeflow, origin, "fit") == "kfp-run-2"
    sent = kubeflow.runs["run-2"]["runtime_config"]["parameters"]
    assert json.loads(sent.pop("resume_of")) == {"run": origin, "step_to_rerun": "fit"}
    assert sent == {"alpha": ""}


def test_a_resumed_run_has_the_newest_version(kubeflow: Kubeflow) -> None:
    origin = triggered(kubeflow, "FAILED")
    changed = documents(resume_of={"defaultValue": ""})
    newest = deploy.create(Server(kubeflow.url), DeploymentNotes(OURS, "alice"), TARGET, changed, None)
    resume(kubeflow, origin)
    assert kubeflow.runs["run-2"]["pipeline_version_reference"]["pipeline_version_id"] == newest.version.id


def test_a_run_of_a_laptop_is_not_asked_for_at_kubeflow(kubeflow: Kubeflow) -> None:
    triggered(kubeflow, "RUNNING")
    resume(kubeflow, "TestFlow/1712")
    sent = kubeflow.runs["run-2"]["runtime_config"]["parameters"]
    assert json.loads(sent["resume_of"]) == {"run": "1712", "step_to_rerun": None}


@pytest.mark.parametrize(
    ("state", "step", "began", "said"),
    [
        ("RUNNING", None, True, "has not ended"),
        ("FAILED", "fitt", True, "is no step of the deployed flow. Its steps are end, fit, start"),
        ("FAILED", None, False, "nothing of it can be taken over"),
    ],
)
def test_what_cannot_be_resumed_is_refused_before_a_run_starts(
    kubeflow: Kubeflow, state: str, step: str | None, began: bool, said: str
) -> None:
    origin = triggered(kubeflow, state)
    with pytest.raises(Refused, match=said):
        resume(kubeflow, origin, step, began)
    assert len(kubeflow.runs) == 1


def test_a_deployment_of_an_older_extension_cannot_resume(kubeflow: Kubeflow) -> None:
    origin = triggered(kubeflow, "FAILED", OLDER)
    with pytest.raises(Refused, match="Deploy the flow again"):
        resume(kubeflow, origin)


def test_a_run_that_kubeflow_does_not_know_is_not_resumed(kubeflow: Kubeflow) -> None:
    triggered(kubeflow, "FAILED")
    with pytest.raises(Refused, match="knows no such run"):
        resume(kubeflow, "kfp-elsewhere")


@pytest.mark.parametrize("state", ["FAILED", "CANCELED"])
def test_what_ended_badly_is_retried(kubeflow: Kubeflow, state: str) -> None:
    run_id = triggered(kubeflow, state)
    assert runs.retry(Server(kubeflow.url), OURS, "testflow", run_id, nothing_stored) == run_id
    assert kubeflow.runs["run-1"]["state"] == "RUNNING"


@pytest.mark.parametrize(
    ("state", "said"), [("SUCCEEDED", "nothing to retry"), ("RUNNING", "has not ended"), ("PENDING", "has not ended")]
)
def test_what_runs_or_has_succeeded_is_not_retried(kubeflow: Kubeflow, state: str, said: str) -> None:
    run_id = triggered(kubeflow, state)
    with pytest.raises(Refused, match=said):
        runs.retry(Server(kubeflow.url), OURS, "testflow", run_id, nothing_stored)
    assert not any(asked.endswith(":retry") for asked in kubeflow.asked)


def test_runs_of_other_pipelines_are_not_listed(kubeflow: Kubeflow) -> None:
    server = Server(kubeflow.url)
    other = deploy.create(server, DeploymentNotes(OTHER, "bob"), TARGET.__class__("other", 1), FLOW, None)
    for _ in range(3):
        triggered(kubeflow, "FAILED")
        server.start_run(other.pipeline, other.version, "name", {}, "Default")
    found = runs.recent(server, OURS, "testflow", 2)
    assert [run.id for run in found] == ["run-5", "run-3"]


def test_a_run_of_another_flow_is_neither_resumed_nor_retried(kubeflow: Kubeflow) -> None:
    triggered(kubeflow, "FAILED")
    server = Server(kubeflow.url)
    other = deploy.create(server, DeploymentNotes(OTHER, "bob"), TARGET.__class__("other", 1), FLOW, None)
    run = server.start_run(other.pipeline, other.version, "name", {}, "Default")
    kubeflow.runs[run]["state"] = "FAILED"
    with pytest.raises(Refused, match="is no run of pipeline 'testflow'"):
        resume(kubeflow, f"kfp-{run}")
    with pytest.raises(Refused, match="is no run of pipeline 'testflow'"):
        runs.retry(server, OURS, "testflow", run, nothing_stored)


def test_anothers_run_is_retried_with_the_token_only(kubeflow: Kubeflow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METAFLOW_USER", "bob")
    server = Server(kubeflow.url)
    deploy.create(server, DeploymentNotes(OURS, "alice", token="secret"), TARGET, FLOW, None)
    run = deploy.trigger(server, OURS, "testflow", {}, print, version_name=None, experiment=None)
    kubeflow.runs["run-1"]["state"] = "FAILED"
    with pytest.raises(Refused, match="was deployed by 'alice'"):
        runs.retry(server, OURS, "testflow", run, nothing_stored)
    assert runs.retry(server, OURS, "testflow", run, nothing_stored, "secret") == run
