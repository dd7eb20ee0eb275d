"""The service account of a flow's steps is that of its runs: kept with the version, given when a run is started."""

import pytest

from bridge.tests.lib.kubeflow import Kubeflow
from metaflow_extensions.tributary.plugins.kubeflow_pipelines import deploy, runs
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.compiler.emit import Documents
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.compiler.ir import Target
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.provenance import DeploymentNotes, FlowIdentity
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.server import Server

FLOW = FlowIdentity("TestFlow")
SPEC = {"root": {"inputDefinitions": {"parameters": {"resume_of": {"defaultValue": ""}}}}}


def deployed(server: Server, service_account: str | None) -> deploy.Deployed:
    documents = Documents(SPEC, {}, service_account)
    return deploy.create(server, DeploymentNotes(FLOW, "tester"), Target("testflow", 1), documents, None)


def _not_stored(value: bytes) -> str:
    raise AssertionError("a run without parameters stores nothing")


def _not_recalled(key: str) -> bytes:
    raise AssertionError(f"nobody asks the datastore for {key}")


def triggered(server: Server) -> str:
    run = deploy.trigger(server, FLOW, "testflow", {}, _not_stored, version_name=None, experiment=None)
    return run.removeprefix("kfp-")


def test_a_run_gets_the_service_account_of_its_version(kubeflow: Kubeflow) -> None:
    server = Server(kubeflow.url)
    deployed(server, "trainer")
    assert kubeflow.runs[triggered(server)]["service_account"] == "trainer"


def test_another_service_account_is_another_version(kubeflow: Kubeflow) -> None:
    server = Server(kubeflow.url)
    deployed(server, "trainer")
    assert deployed(server, "trainer").unchanged
    assert not deployed(server, None).unchanged
    assert "service_account" not in kubeflow.runs[triggered(server)]


@pytest.mark.parametrize("account", ["trainer", None])
def test_a_resumed_run_gets_the_service_account_of_its_version(kubeflow: Kubeflow, account: str | None) -> None:
    server = Server(kubeflow.url)
    deployed(server, account)
    resumed = runs.resume(
        server,
        FLOW,
        "testflow",
        "1712",
        recall=_not_recalled,
        step_to_rerun=None,
        began=lambda _: True,
        version_name=None,
        experiment=None,
    )
    assert kubeflow.runs[resumed.removeprefix("kfp-")].get("service_account") == account
