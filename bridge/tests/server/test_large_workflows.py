"""How the steps of a large run stand: Argo compresses the nodes of its workflow, or moves them to a database."""

import base64
import gzip
import json
from typing import Any

import pytest

from bridge.tests.lib.kubeflow import Kubeflow
from metaflow_extensions.tributary.plugins.kubeflow_pipelines import reasons
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.names import task_names
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.reasons import StepState
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.refusals import Refused
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.server import Run, Server, Task

STEPS = task_names(["start", "fit", "end"], ["start"])
RUN = Run("run-1", "name", "FAILED", None, "pipeline-1", "version-1", (Task("start", "SUCCEEDED"),))
NODES = {
    "1": {"name": "wf-1.root.start.executor", "type": "Pod", "phase": "Succeeded", "startedAt": "2026-01-01T00:00:01Z"},
    "2": {
        "name": "wf-1.root.each-start.iteration-iterations(7:7).iteration-item.fit.executor",
        "type": "Pod",
        "phase": "Failed",
        "message": "pod deleted",
        "startedAt": "2026-01-01T00:00:02Z",
    },
}


def packed(nodes: object) -> str:
    return encoded(gzip.compress(json.dumps(nodes).encode()))


def encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()


def told(kubeflow: Kubeflow, **status: Any) -> dict[str, Any] | None:
    """The workflow of a run that stands so, as the server gives it."""
    kubeflow.workflows["run-1"] = {"metadata": {"name": "wf-1"}, "spec": {}, "status": status}
    return Server(kubeflow.url).workflow("run-1")


@pytest.mark.parametrize("rest", [{}, {"nodes": None}, {"nodes": {}}])
def test_compressed_nodes_say_what_plain_ones_do(kubeflow: Kubeflow, rest: dict[str, Any]) -> None:
    plain = told(kubeflow, phase="Failed", nodes=NODES)
    compressed = told(kubeflow, phase="Failed", compressedNodes=packed(NODES), **rest)
    assert compressed == plain
    states = reasons.step_states(RUN, compressed, STEPS)
    assert states == [
        StepState("start", (), "SUCCEEDED", None),
        StepState("fit", (7,), "FAILED", "its pod was deleted while it ran"),
    ]
    assert reasons.run_error(RUN, compressed, states) == "step fit[7] failed: its pod was deleted while it ran"


@pytest.mark.parametrize(
    "damaged",
    [
        pytest.param("no base64!", id="base64"),
        pytest.param(encoded(b"no gzip"), id="gzip"),
        pytest.param(encoded(gzip.compress(json.dumps(NODES).encode())[:-20]), id="cut"),
        pytest.param(encoded(gzip.compress(b"{}")[:10] + b"\xff" * 30), id="deflate"),
        pytest.param(encoded(gzip.compress(b"no JSON")), id="json"),
        pytest.param(encoded(gzip.compress(b"\xff\xfe\xfd")), id="utf-8"),
        pytest.param(packed(["no", "nodes"]), id="list"),
        pytest.param(packed({"1": "no node"}), id="node"),
    ],
)
def test_compressed_nodes_that_are_damaged_are_said_so(kubeflow: Kubeflow, damaged: str) -> None:
    with pytest.raises(Refused) as refused:
        told(kubeflow, phase="Failed", compressedNodes=damaged)
    said = str(refused.value.message)
    assert said.startswith(f"Kubeflow Pipelines at {kubeflow.url}: the workflow of run run-1 cannot be read ("), said
    assert "\n" not in said and said.endswith(".")


def test_of_nodes_in_a_database_the_tasks_of_the_api_stand_in(kubeflow: Kubeflow) -> None:
    workflow = told(kubeflow, phase="Failed", message="workflow shutdown", offloadNodeStatusVersion="fnv:123")
    states = reasons.step_states(RUN, workflow, STEPS)
    assert states == [StepState("start", (), "SUCCEEDED", None)]
    assert reasons.run_error(RUN, workflow, states) == "workflow shutdown"


def test_that_somebody_ended_a_run_is_known_also_with_its_nodes_in_a_database(kubeflow: Kubeflow) -> None:
    status = {"phase": "Failed", "offloadNodeStatusVersion": "fnv:123"}
    kubeflow.workflows["run-1"] = {"spec": {"activeDeadlineSeconds": 0}, "status": status}
    assert reasons.was_terminated(RUN, Server(kubeflow.url).workflow("run-1"))


def test_nodes_that_are_there_count_also_beside_a_version_in_the_database(kubeflow: Kubeflow) -> None:
    workflow = told(kubeflow, nodes=NODES, offloadNodeStatusVersion="fnv:123")
    assert [str(state) for state in reasons.step_states(RUN, workflow, STEPS)] == ["start", "fit[7]"]
