"""What a pod of a gang knows of its gang, and when it stops by itself."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from metaflow.exception import MetaflowException

from bridge.tests.lib.kubernetes import Kubernetes, serving, status
from bridge.tests.lib.sources import ending
from bridge.tests.pod.small_gangs import NAMESPACE, gangs
from bridge.tests.pod.small_kubeflow import SmallKubeflow, describe, environment
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.pod import driver_watch, gang_node
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.pod.cluster import Cluster
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.pod.driver_watch import has_ended
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.pod.inputs import TaskPlace

PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"
PLACE = TaskPlace("train", (3,))
TOLD = {"attempt": 1, "driver": "wf-1", "main": "gang-a-0.gang-a", "nodes": 3}

HELD = f'''
import os, signal
from metaflow import FlowSpec, parallel, step

class HeldFlow(FlowSpec):
    """The nodes of its gang say that they run, and then wait for a signal."""

    @step
    def start(self):
        self.next(self.hold, num_parallel=2)

    @parallel
    @step
    def hold(self):
        with open(os.environ["HELD_FIFO"], "w") as fifo:
            fifo.write("x")
        while True:
            signal.pause()
        self.next(self.join)

    @step
    def join(self, inputs):
        self.next(self.end)

{ending("HeldFlow")}'''


def node(index: int) -> gang_node.Node:
    found = gang_node.of_this_pod({"TRIBUTARY_GANG": json.dumps(TOLD), "JOB_COMPLETION_INDEX": str(index)}, PLACE)
    assert found is not None
    return found


def test_node_0_is_the_control_task_and_the_others_are_workers_counted_from_0() -> None:
    assert gang_node.of_this_pod({"JOB_COMPLETION_INDEX": "0"}, PLACE) is None
    tasks = [(node(index).task, node(index).ubf_context) for index in range(3)]
    assert tasks == [
        ("control-t-train-3-0", "ubf_control"),
        ("worker-t-train-3-0", "ubf_task"),
        ("worker-t-train-3-1", "ubf_task"),
    ]


def test_current_parallel_and_kubernetes_are_told_the_same() -> None:
    first, last = (gang_node.variables(node(index), "10.0.0.7") for index in (0, 2))
    shared = {
        "MF_PARALLEL_MAIN_IP": "10.0.0.7",
        "MF_PARALLEL_NUM_NODES": "3",
        "MF_PARALLEL_CONTROL_TASK_ID": "control-t-train-3-0",
        "MF_MASTER_ADDR": "gang-a-0.gang-a",
        "MF_WORLD_SIZE": "3",
    }
    assert first == {**shared, "MF_PARALLEL_NODE_INDEX": "0", "MF_CONTROL_INDEX": "0"}
    # Metaflow's @kubernetes adds 1 to a worker's index.
    assert last == {**shared, "MF_PARALLEL_NODE_INDEX": "2", "MF_WORKER_REPLICA_INDEX": "1"}


def test_a_first_node_without_an_address_is_given_up() -> None:
    assert gang_node.address("localhost", 0) == "127.0.0.1"
    with pytest.raises(MetaflowException, match="node 0 of the gang has no address after 0 seconds"):
        gang_node.address("nowhere.invalid", 0)


@pytest.fixture
def kubernetes(tmp_path: Path) -> Iterator[Kubernetes]:
    with serving(Kubernetes(tmp_path)) as served:
        yield served


@pytest.mark.parametrize(
    ("pod", "ended"),
    [
        (None, True),
        ({"metadata": {"name": "wf-1"}, "status": {"phase": "Running"}}, False),
        ({"metadata": {"name": "wf-1"}, "status": {}}, False),
        ({"metadata": {"name": "wf-1"}, "status": {"phase": "Failed"}}, True),
        ({"metadata": {"name": "wf-1"}, "status": {"phase": "Succeeded"}}, True),
        ({"metadata": {"name": "wf-1", "deletionTimestamp": "now"}, "status": {"phase": "Running"}}, True),
    ],
)
def test_a_driver_that_is_gone_or_at_its_end_has_ended(kubernetes: Kubernetes, pod: Any, ended: bool) -> None:
    if pod:
        kubernetes.put(f"{PODS}/wf-1", pod)
    assert has_ended(Cluster(kubernetes.url, kubernetes.folder), NAMESPACE, "wf-1") is ended


def test_a_node_that_may_not_ask_for_its_driver_says_so_once_and_goes_on_asking(
    kubernetes: Kubernetes, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    runner, sent = 7, list[tuple[int, int]]()
    monkeypatch.setattr(driver_watch, "EVERY_SECONDS", 0.0)
    monkeypatch.setattr(os, "getppid", lambda: 1 if sent else runner)
    monkeypatch.setattr(os, "kill", lambda *signal_sent: sent.append(signal_sent))
    kubernetes.failures, kubernetes.failing = [status(403, "Forbidden", "cannot get pods")] * 3, "GET"
    driver_watch.main(runner, Cluster(kubernetes.url, kubernetes.folder), NAMESPACE, "wf-1")
    assert sent == [(runner, signal.SIGTERM)]
    assert capsys.readouterr().err.count("cannot get pods (403)") == 1


@pytest.mark.slow
@pytest.mark.long
def test_the_nodes_of_a_driver_that_was_killed_stop(tmp_path: Path) -> None:
    (tmp_path / "held_flow.py").write_text(HELD)
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    run = SmallKubeflow(describe(tmp_path / "held_flow.py", tmp_path), tmp_path, flows=tmp_path)
    with gangs(tmp_path / "cluster", environment(tmp_path, HELD_FIFO=str(fifo)), tmp_path) as run.gangs:
        _out, err = run.pod("start").communicate(timeout=120)
        driver = run.pod("hold")
        # Opened once, and by us for writing too: no node may find it closed between two reads, nor we its end.
        opened = os.open(fifo, os.O_RDWR)
        held = 0
        while held < 2:
            held += len(os.read(opened, 2))
        os.close(opened)
        driver.send_signal(signal.SIGKILL)
        driver.communicate(timeout=10)
        name = "wf-1-hold-0"
        run.gangs.kubernetes.put(f"{PODS}/{name}", {"metadata": {"name": name}, "status": {"phase": "Failed"}})
        for process in run.gangs.processes.values():
            assert process.wait(timeout=60) == 128 + signal.SIGTERM, err
