"""A pod of a gang: which of its nodes this is, and what Metaflow's @parallel reads of it."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from metaflow.exception import MetaflowException
from metaflow.unbounded_foreach import UBF_CONTROL, UBF_TASK

from ..record import GangRecord
from . import gang_pods, ids
from .cluster import Cluster
from .inputs import TaskPlace


@dataclass(frozen=True)
class Node:
    """One node of a gang. `main` is node 0's address, `driver` the pod whose end is the gang's end too."""

    index: int
    nodes: int
    attempt: int
    main: str
    driver: str
    place: TaskPlace

    @property
    def task(self) -> str:
        """The id of the node's Metaflow task."""
        return ids.gang(self.place.step, self.place.path, self.nodes)[self.index]

    @property
    def ubf_context(self) -> str:
        """What Metaflow calls the node's part: node 0 speaks for the gang, and does its own share of the work."""
        return str(UBF_TASK if self.index else UBF_CONTROL)


def of_this_pod(environ: Mapping[str, str], place: TaskPlace) -> Node | None:
    """The node that runs in this pod; None in a pod that is none of a gang."""
    told = environ.get(gang_pods.VARIABLE)
    if told is None:
        return None
    gang = json.loads(told)
    index = int(environ["JOB_COMPLETION_INDEX"])
    return Node(index, gang["nodes"], gang["attempt"], gang["main"], gang["driver"], place)


def variables(node: Node, address: str) -> dict[str, str]:
    """What current.parallel is made from; and the names from which @kubernetes makes the same, when the flow has it."""
    return {
        "MF_PARALLEL_MAIN_IP": address,
        "MF_PARALLEL_NUM_NODES": str(node.nodes),
        "MF_PARALLEL_NODE_INDEX": str(node.index),
        "MF_PARALLEL_CONTROL_TASK_ID": ids.gang(node.place.step, node.place.path, node.nodes)[0],
        "MF_MASTER_ADDR": node.main,
        "MF_WORLD_SIZE": str(node.nodes),
        **({"MF_WORKER_REPLICA_INDEX": str(node.index - 1)} if node.index else {"MF_CONTROL_INDEX": "0"}),
    }


def address(host: str, seconds: float) -> str:
    """The IP address of node 0, whose pod may not have begun. MetaflowException when it has none after that long."""
    until = time.monotonic() + seconds
    while True:
        try:
            return socket.gethostbyname(host)
        except socket.gaierror as error:
            if time.monotonic() > until:
                raise MetaflowException(f"node 0 of the gang has no address after {seconds:.0f} seconds") from error
            time.sleep(1)


@contextlib.contextmanager
def joined(node: Node, record: GangRecord, cluster: Cluster) -> Iterator[None]:
    """While this runs, Metaflow finds the gang in the environment, and the process is told to stop when the driver's
    pod has ended. MetaflowException when node 0 is not found.

    A driver that is killed, as all pods of a run that is terminated, has no time to delete its gang.
    """
    os.environ.update(variables(node, address(node.main, record.resolution_seconds)))
    there = [cluster.url, str(cluster.account), os.environ["TRIBUTARY_NAMESPACE"], node.driver]
    words = [sys.executable, "-m", f"{__package__}.driver_watch", str(os.getpid()), *there]
    watcher = subprocess.Popen(words, stdin=subprocess.DEVNULL)
    runner = os.getpid()
    try:
        yield
    finally:
        # A step's process is a fork that leaves through here as well.
        if os.getpid() == runner:
            watcher.terminate()
            watcher.wait()
