"""Waiting for the objects of a release, and finding out why one does not get ready."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playbooks.module_utils.kube_api import KubeApi
    from playbooks.module_utils.kube_objects import Object, title
    from playbooks.module_utils.kube_readiness import (
        WORKLOADS,
        has_failed,
        last_events,
        not_ready,
        pod_troubles,
        selector,
        sentence,
    )
else:
    from ansible.module_utils.kube_objects import title
    from ansible.module_utils.kube_readiness import (
        WORKLOADS,
        has_failed,
        last_events,
        not_ready,
        pod_troubles,
        selector,
        sentence,
    )

LOOK_EVERY = 1.0


@dataclass(frozen=True)
class Lack:
    """One workload that is not ready: as defined, as found if at all, what it lacks, whether waiting cannot help."""

    definition: Mapping[str, Any]
    found: Object | None
    what: str
    final: bool


@dataclass(frozen=True)
class Lost:
    """One object that is not what the release made: as found if at all, and a clause that says what became of it."""

    found: Object | None
    what: str


class Watch:
    """The rendered objects of one release in one namespace of a cluster."""

    def __init__(self, api: KubeApi, namespace: str, objects: Iterable[Mapping[str, Any]]) -> None:
        self._api = api
        self._namespace = namespace
        self._objects = list(objects)

    def lost(self) -> list[Lost]:
        """Objects that are not there, but for a Job that removes itself when done; and Jobs that failed for good."""
        lost = []
        for each in self._objects:
            found = self._find(each)
            if found is None and not _removes_itself(each):
                lost.append(Lost(None, f"{title(each)} is gone"))
            elif found is not None and (failed := has_failed(found)):
                lost.append(Lost(found, f"{title(each)}: {failed}"))
        return lost

    def unchangeable(self) -> list[Object]:
        """StatefulSets that are there and start their pods in another order: Kubernetes lets nobody change that."""
        sets = [(each, self._find(each)) for each in self._objects if each["kind"] == "StatefulSet"]
        return [found for each, found in sets if found is not None and _order(found) != _order(each)]

    def wait(self, timeout: float, clock: Callable[[], float] = time.monotonic) -> list[str]:
        """Wait until every workload is ready. Empty when they are; else a sentence for each that is not, saying why."""
        deadline = clock() + timeout
        while lacks := self.lacks():
            if any(lack.final for lack in lacks) or clock() >= deadline:
                return [self.explain(lack) for lack in lacks]
            time.sleep(LOOK_EVERY)
        return []

    def lacks(self) -> list[Lack]:
        """The workloads that are not ready now."""
        found = [self._lack(each) for each in self._objects if each["kind"] in WORKLOADS]
        return [lack for lack in found if lack is not None]

    def explain(self, lack: Lack) -> str:
        """One sentence: what is not ready and why, with the command that shows more."""
        name = title(lack.definition)
        command = f"kubectl --context {self._api.context} --namespace {self._namespace} describe"
        if lack.found is None:
            return sentence(name, lack.what, (), f"{command} {name.lower()}")
        pods = []
        for pod in self._api.find("v1", "Pod", self._namespace, selector=selector(lack.found)):
            if not _ready(pod):
                events = last_events(self._events(pod["metadata"]["name"]))
                pods.append((pod["metadata"]["name"], pod_troubles(pod), events))
        if pods:
            return sentence(name, lack.what, pods, f"{command} pod {pods[0][0]}")
        events = last_events(self._events(lack.found["metadata"]["name"]))
        what = f"{lack.what}; last events: {' | '.join(events)}" if events else lack.what
        return sentence(name, what, (), f"{command} {name.lower()}")

    def _lack(self, definition: Mapping[str, Any]) -> Lack | None:
        found = self._find(definition)
        if found is None:
            return None if _removes_itself(definition) else Lack(definition, None, "it is not there", final=False)
        if failed := has_failed(found):
            return Lack(definition, found, failed, final=True)
        what = not_ready(found)
        return Lack(definition, found, what, final=False) if what else None

    def _find(self, definition: Mapping[str, Any]) -> Object | None:
        metadata = definition["metadata"]
        namespace = metadata.get("namespace") or self._namespace
        return self._api.get(definition["apiVersion"], definition["kind"], namespace, metadata["name"])

    def _events(self, name: str) -> Sequence[Mapping[str, Any]]:
        return self._api.find("v1", "Event", self._namespace, fields=f"involvedObject.name={name}")


def _order(stateful_set: Mapping[str, Any]) -> str:
    return str(stateful_set["spec"].get("podManagementPolicy", "OrderedReady"))


def _removes_itself(definition: Mapping[str, Any]) -> bool:
    return definition["kind"] == "Job" and "ttlSecondsAfterFinished" in definition.get("spec", {})


def _ready(pod: Mapping[str, Any]) -> bool:
    status = pod.get("status", {})
    conditions = {each["type"]: each["status"] for each in status.get("conditions") or []}
    return status.get("phase") == "Succeeded" or conditions.get("Ready") == "True"
