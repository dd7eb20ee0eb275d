"""Whether the objects of a release are ready, and when not, which one and why. Judges what it is given; asks nobody."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

WORKLOADS = ("Deployment", "StatefulSet", "DaemonSet", "Job")
EVENTS_SHOWN = 3
# Messages of the container runtime repeat themselves; what matters stands at their beginning.
MESSAGE_SHOWN = 200


def not_ready(found: Mapping[str, Any]) -> str | None:
    """What a workload still lacks, or None when it is ready."""
    if found["kind"] == "Job":
        return None if _condition(found, "Complete") else "the job has not finished"
    spec, status = found.get("spec", {}), found.get("status", {})
    if status.get("observedGeneration", 0) < found["metadata"].get("generation", 0):
        return "its controller has not looked at it yet"
    if found["kind"] == "DaemonSet":
        wanted = int(status.get("desiredNumberScheduled", 0))
        fresh, ready = int(status.get("updatedNumberScheduled", 0)), int(status.get("numberReady", 0))
        there = wanted
    else:
        wanted = int(spec.get("replicas", 1))
        fresh, ready = int(status.get("updatedReplicas", 0)), int(status.get("readyReplicas", 0))
        there = int(status.get("replicas", 0))
    if min(fresh, ready) < wanted:
        return f"{ready} of {wanted} pods ready" + (f", {fresh} of {wanted} updated" if fresh < wanted else "")
    return "pods of before are still there" if there > wanted else None


def has_failed(found: Mapping[str, Any]) -> str | None:
    """Why a Job will never finish, or None. Other workloads try for ever."""
    failed = _condition(found, "Failed") if found["kind"] == "Job" else None
    return f"the job failed ({failed.get('reason')}: {failed.get('message')})" if failed else None


def selector(found: Mapping[str, Any]) -> str:
    """The label selector of a workload's pods."""
    labels = found.get("spec", {}).get("selector", {}).get("matchLabels") or {}
    return ",".join(f"{key}={value}" for key, value in labels.items())


def pod_troubles(pod: Mapping[str, Any]) -> list[str]:
    """What keeps a pod from being ready, a clause for each reason."""
    status = pod.get("status", {})
    troubles = [
        f"{condition.get('reason')}: {condition.get('message')}"
        for condition in status.get("conditions") or []
        if condition["type"] == "PodScheduled" and condition["status"] != "True"
    ]
    for container in [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]:
        if trouble := _container_trouble(container):
            troubles.append(f"container {container['name']} {trouble}")
    if status.get("phase") == "Failed" and status.get("reason"):
        troubles.append(f"{status['reason']}: {status.get('message', '')}")
    return troubles


def _container_trouble(container: Mapping[str, Any]) -> str | None:
    state = container.get("state") or {}
    before = (container.get("lastState") or {}).get("terminated") or {}
    died = f", exit code {before['exitCode']} before" if "exitCode" in before else ""
    if waiting := state.get("waiting"):
        return f"waits ({_said(waiting)}{died})"
    terminated = state.get("terminated") or {}
    if terminated.get("exitCode"):
        return f"ended with exit code {terminated['exitCode']} ({_said(terminated)})"
    if "running" in state and not container.get("ready", True):
        return f"runs, and its readiness probe does not pass{died}"
    return None


def last_events(events: Iterable[Mapping[str, Any]]) -> list[str]:
    """The newest warnings, oldest first."""
    warnings = [event for event in events if event.get("type") != "Normal"]
    warnings.sort(key=lambda event: str(event.get("lastTimestamp") or event.get("eventTime") or ""))
    return [_said(event) for event in warnings[-EVENTS_SHOWN:]]


def sentence(name: str, lack: str, pods: Sequence[tuple[str, Sequence[str], Sequence[str]]], command: str) -> str:
    """One line for one workload: what it lacks, and for each pod its troubles and last events."""
    parts = [f"{name}: {lack}"]
    for pod, troubles, events in pods:
        parts.append(f"pod {pod}: " + ("; ".join(troubles) or "not ready yet"))
        if events:
            parts.append("last events: " + " | ".join(events))
    if not pods:
        parts.append("it has no pods")
    return "; ".join(parts) + f". See: {command}"


def _condition(found: Mapping[str, Any], kind: str) -> Mapping[str, Any] | None:
    for condition in found.get("status", {}).get("conditions") or []:
        if condition["type"] == kind and condition["status"] == "True":
            return dict(condition)
    return None


def _said(told: Mapping[str, Any]) -> str:
    reason, message = told.get("reason", ""), " ".join(str(told.get("message", "")).split())
    if len(message) > MESSAGE_SHOWN:
        message = message[:MESSAGE_SHOWN] + " [...]"
    return f"{reason}: {message}" if message else str(reason)
