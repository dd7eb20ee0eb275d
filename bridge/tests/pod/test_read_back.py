"""What Metaflow's own client finds of a task that ran in a pod."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bridge.tests.pod.small_kubeflow import FLOWS, SmallKubeflow, describe, environment

CLIENT = """
import json, sys
from metaflow import Run, namespace
namespace(None)
run = Run(sys.argv[1])
print(json.dumps({
    "tags": sorted(run.user_tags),
    "system_tags": sorted(run.system_tags),
    "tasks": {
        task.path_components[2]: {
            "id": task.id,
            "stdout": task.stdout,
            "stderr": task.stderr,
            "metadata": task.metadata_dict,
            "successful": task.successful,
            "parents": [parent.pathspec for parent in task.parent_tasks] if task.path_components[2] != "start" else [],
            "index": task.index,
        }
        for step in run for task in step if task.index in (None, 1)
    },
}))
"""


def client(run: SmallKubeflow, root: Path) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-c", CLIENT, f"{run.deployment.flow_name}/kfp-{run.run}"],
        env=environment(root),
        capture_output=True,
        text=True,
        timeout=600,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A run of the nightly wide foreach, as far as its second split."""
    root = tmp_path_factory.mktemp("read-back")
    run = SmallKubeflow(describe(FLOWS / "wide_foreach_flow.py", root, tags=("nightly",)), root)
    for step, path in (("start", ()), ("square", (1,))):
        pod = run.pod(step, path, TRIBUTARY_NAMESPACE="kubeflow")
        _out, err = pod.communicate(timeout=600)
        assert pod.returncode == 0, err
    return client(run, root)


@pytest.mark.slow
def test_the_run_has_the_deployments_tags_and_says_what_ran_it(found: dict[str, Any]) -> None:
    assert found["tags"] == ["nightly"]
    assert {"runtime:kubeflow-pipelines", "user:kubeflow-pipelines"} <= set(found["system_tags"])


@pytest.mark.slow
def test_a_task_says_in_which_pod_of_which_run_it_ran(found: dict[str, Any]) -> None:
    metadata = found["tasks"]["square"]["metadata"]
    wanted = {
        "kubeflow-pipelines-run-id": "0a1b2c3d-run",
        "kubeflow-pipelines-pipeline": "wideforeachflow",
        "kubeflow-pipelines-node-name": "wf-1.root.iteration-item(0:0).executor(0)",
        "kubernetes-pod-name": "wf-1-square-1-0",
        "kubernetes-pod-namespace": "kubeflow",
        "attempt": "0",
        "attempt_ok": "True",
    }
    assert {name: metadata.get(name) for name in wanted} == wanted


@pytest.mark.slow
def test_a_split_knows_its_index_and_its_parent(found: dict[str, Any]) -> None:
    square = found["tasks"]["square"]
    assert square["successful"] is True
    assert square["index"] == 1
    assert square["parents"] == ["WideForeachFlow/kfp-0a1b2c3d-run/start/t-start"]
    assert square["metadata"]["foreach-execution-path"] == "square:1"


@pytest.mark.slow
def test_a_tasks_logs_are_its_own_output(found: dict[str, Any]) -> None:
    assert found["tasks"]["start"]["stderr"] == ""
