"""One run on the cluster, watched from its start to its end."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cluster.kubectl import Kubectl
from laptop.eventually import NotYet, eventually

ENDED = ("Succeeded", "Failed", "Error")


class RunFailed(RuntimeError):
    """A run of the bench did not end well; the message says which, and where to look."""


@dataclass(frozen=True)
class Measured:
    """What a run cost: its wall time by Argo's own clock, its pods, and the largest that its workflow was seen."""

    seconds: float
    pods: int
    workflow_bytes: int


def watch(
    kubectl: Kubectl, namespace: str, run: str, *, within: float, say: Callable[[str], None], every: float = 2.0
) -> Measured:
    """Wait for the run with this id in Kubeflow Pipelines, looking `every` seconds. RunFailed when it fails or takes
    longer than `within`.
    """
    largest, shown = 0, -1
    ended: dict[str, Any] = {}

    def look() -> str | None:
        nonlocal largest, shown, ended
        workflow = _workflow(kubectl, namespace, run)
        if workflow is None:
            return f"run {run} has no workflow"
        status = workflow.get("status", {})
        largest = max(largest, len(json.dumps(workflow, separators=(",", ":"))))
        pods = sum(node["phase"] in ENDED for node in _nodes(status) if node["type"] == "Pod")
        if pods != shown:
            shown = pods
            say(f"{status.get('phase', 'Pending')}, {pods} pods have ended, workflow of {largest:,} bytes")
        if status.get("phase") not in ENDED:
            return f"run {run} has not ended"
        ended = status
        return None

    try:
        eventually(look, within=within, every=every)
    except NotYet as error:
        raise RunFailed(f"run {run} has not ended within {within:.0f} s") from error
    if ended["phase"] != "Succeeded":
        raise RunFailed(f"run {run} ended as {ended['phase']}: {ended.get('message', 'no message')}")
    return Measured(_seconds(ended), _pods(_nodes(ended)), largest)


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
