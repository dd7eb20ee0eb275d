"""One run on the cluster, watched from its start to its end."""

from __future__ import annotations

import base64
import gzip
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cluster.kubectl import Kubectl

ENDED = ("Succeeded", "Failed", "Error")


class RunFailed(RuntimeError):
    """A run of the bench did not end well; the message says which, and where to look."""


@dataclass(frozen=True)
class Measured:
    """What a run cost: its wall time by Argo's own clock, its pods, and the largest that its workflow was seen."""

    seconds: float
    pods: int
    workflow_bytes: int


def watch(kubectl: Kubectl, namespace: str, run: str, *, within: float, say: Callable[[str], None]) -> Measured:
    """Wait for the run with this id in Kubeflow Pipelines. RunFailed when it fails or takes longer than `within`."""
    deadline = time.monotonic() + within
    largest, shown = 0, -1
    while True:
        workflow = _workflow(kubectl, namespace, run)
        if workflow is not None:
            status = workflow.get("status", {})
            nodes = _nodes(status)
            largest = max(largest, len(json.dumps(workflow, separators=(",", ":"))))
            ended = sum(node["phase"] in ENDED for node in nodes if node["type"] == "Pod")
            if ended != shown:
                shown = ended
                say(f"{status.get('phase', 'Pending')}, {ended} pods have ended, workflow of {largest:,} bytes")
            if status.get("phase") in ENDED:
                if status["phase"] != "Succeeded":
                    raise RunFailed(f"run {run} ended as {status['phase']}: {status.get('message', 'no message')}")
                return Measured(_seconds(status), _pods(nodes), largest)
        if time.monotonic() > deadline:
            raise RunFailed(f"run {run} has not ended within {within:.0f} s")
        time.sleep(2)


def _workflow(kubectl: Kubectl, namespace: str, run: str) -> dict[str, Any] | None:
    found = kubectl.get("workflows", "--namespace", namespace, "--selector", f"pipeline/runid={run}")
    if not found:
        return None
    # kubectl shows what the API server adds for servers' own use; Argo does not keep it.
    found[0]["metadata"].pop("managedFields", None)
    return found[0]


def _nodes(status: dict[str, Any]) -> list[dict[str, Any]]:
    """The nodes, which Argo compresses when they are large."""
    if packed := status.get("compressedNodes"):
        return list(json.loads(gzip.decompress(base64.b64decode(packed))).values())
    return list(status.get("nodes", {}).values())


def _pods(nodes: list[dict[str, Any]]) -> int:
    return sum(node["type"] == "Pod" for node in nodes)


def _seconds(status: dict[str, Any]) -> float:
    started, finished = (_time(status[name]) for name in ("startedAt", "finishedAt"))
    return finished - started


def _time(text: str) -> float:
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
