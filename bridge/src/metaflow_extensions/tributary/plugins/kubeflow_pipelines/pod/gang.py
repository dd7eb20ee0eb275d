"""The driver of a gang: what a @parallel step's task does in the pod that Kubeflow Pipelines started for it.

It makes the pods of all nodes at once, says how they stand, and ends as they end. One node that fails fails the gang,
and the task's next attempt runs all nodes anew.
"""

import hashlib
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from types import FrameType

from ..record import Deployment, GangRecord
from . import attempts, gang_pods, ids, inputs, outputs
from .cluster import ApiError, Cluster, Document, Unreachable
from .tasks import MAX_ATTEMPTS, RunTasks
from .time_limit import pod_seconds

_TERMINATED = 128 + signal.SIGTERM

# How long one watch lasts. Between two of them the workload itself is looked at.
_WATCH_SECONDS = 20

# A watch that ends at once is not begun again at once.
_PAUSE_SECONDS = 1.0


class _Stopped(BaseException):
    """SIGTERM: whatever is under way is left, and the gang deleted."""


@dataclass(frozen=True)
class Pods:
    """Where the driver stands in the cluster: the API, its namespace, its own pod's name, and what it runs."""

    cluster: Cluster
    namespace: str
    own: str
    command: tuple[str, ...]


def drive(deployment: Deployment, run: str, place: inputs.TaskPlace, pods: Pods) -> outputs.Failure | None:
    """Run the gang of a @parallel step to its end; None when all of its nodes ended well.

    A gang that ended well in an earlier attempt is not run again.
    """
    record = deployment.steps[place.step]
    assert record.gang is not None, f"step {place.step} is no @parallel step"
    tasks = RunTasks(deployment, run)
    (parent,) = inputs.inputs(deployment.steps, place, tasks)
    nodes = tasks.gang_size(parent.step, parent.path)
    spec = f"{deployment.flow_name}/{run}/{place.step}"
    if nodes is None:
        why = "num_parallel was below 1, and a @parallel step needs a node"
        return outputs.Failure(1, f"{spec}: {parent.step} made no gang: {why}. Give 1 or more to self.next.")
    names = ids.gang(place.step, place.path, nodes)
    history = _of_all([tasks.history(place.step, name) for name in names])
    if history.finished:
        print(f"{spec}: all {nodes} nodes ended well, not run again", file=sys.stderr)
        return None
    attempt = attempts.resolve(
        attempts.told(os.environ), history, record.user_code_retries, record.error_retries
    ).number
    if attempt >= MAX_ATTEMPTS:
        why = f"Metaflow keeps {MAX_ATTEMPTS} attempts of a task and all are used. Start a new run."
        return outputs.Failure(1, f"{spec}/{names[0]}: {why}")
    deadline = pod_seconds(record.timeout_seconds)
    return Gang(pods, f"{spec}/{names[0]}", nodes, attempt, record.gang, deadline).run()


def _of_all(histories: list[attempts.History]) -> attempts.History:
    """The nodes' histories as one: it is done when all nodes ended well in one and the same attempt."""
    started = frozenset[int]().union(*(each.started for each in histories))
    last = {max(each.started, default=-1) for each in histories}
    return attempts.History(started, len(last) == 1 and all(each.finished for each in histories))


@dataclass
class Gang:
    """One attempt's gang. `name` is the pathspec of its control task, with the flow's name in front."""

    pods: Pods
    name: str
    nodes: int
    attempt: int
    record: GangRecord
    deadline: int | None = None
    _said: dict[int, str] = field(default_factory=dict)

    def run(self) -> outputs.Failure | None:
        """Make the gang, follow it, and delete it, come what may."""
        before = signal.signal(signal.SIGTERM, _stop)
        where = f"{self.name}, attempt {self.attempt}"
        made: list[str] = []
        try:
            own = self.pods.cluster.get(f"{self._collections['Pod']}/{self.pods.own}")
            plan = self._plan(own)
            self._sweep(plan.task)
            workload = self._make(own, plan, made)
            failed = self._follow(plan, workload)
            return failed and outputs.Failure(failed.code, f"{where}: {failed.reason}")
        except _Stopped:
            return outputs.Failure(_TERMINATED, f"{where}: {outputs.TOLD_TO_STOP}")
        except (ApiError, Unreachable) as error:
            return outputs.Failure(1, f"{where}: its gang of {self.nodes} pods cannot be run: {error}")
        finally:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            self._delete(made)
            signal.signal(signal.SIGTERM, before)

    @property
    def _collections(self) -> dict[str, str]:
        return gang_pods.collections(self.pods.namespace)

    def _plan(self, own: Document) -> gang_pods.Plan:
        """Named after the driver's pod, so that a request of it that was answered to nobody can be sent again."""
        return gang_pods.Plan(
            name=f"gang-{_digest(own['metadata']['uid'])}",
            task=_digest(self.name),
            nodes=self.nodes,
            attempt=self.attempt,
            command=self.pods.command,
            resources=self.record.resources,
            deadline=self.deadline,
        )

    def _sweep(self, task: str) -> None:
        """Delete what an earlier driver of this task left, if it was killed."""
        for kind in (*(["JobSet"] if self._knows_jobsets() else []), "Job", "Service"):
            left = self._kindly(
                lambda path: self.pods.cluster.get(path, labelSelector=f"{gang_pods.TASK_LABEL}={task}"),
                self._collections[kind],
            )
            self._delete([f"{self._collections[kind]}/{each['metadata']['name']}" for each in left["items"]])

    def _make(self, own: Document, plan: gang_pods.Plan, made: list[str]) -> gang_pods.Workload:
        """Create the gang, and note in `made` each object before it is asked for."""
        cluster = self.pods.cluster
        if self._knows_jobsets():
            workload = gang_pods.jobset(own, plan, os.environ)
        else:
            workload = gang_pods.job(own, plan, os.environ)
            made.append(f"{self._collections['Service']}/{plan.name}")
            self._kindly(lambda path: cluster.create(path, gang_pods.service(own, plan)), self._collections["Service"])
        made.append(workload.path)
        self._kindly(lambda path: cluster.create(path, workload.body), workload.collection)
        print(f"{workload.kind} {plan.name}: {self.nodes} nodes, attempt {self.attempt}", file=sys.stderr, flush=True)
        return workload

    def _knows_jobsets(self) -> bool:
        """Whether somebody installed JobSet. It is looked up in the list of all APIs: asked for one that it lacks,
        Kubernetes answers with a page as any proxy has it.
        """
        groups = self.pods.cluster.get("/apis")["groups"]
        versions = [version["groupVersion"] for group in groups for version in group["versions"]]
        return gang_pods.JOBSET_VERSION in versions

    def _kindly(self, ask: Callable[[str], Document | None], path: str) -> Document:
        """Ask; a refusal says whose right is missing."""
        try:
            return ask(path) or {}
        except ApiError as error:
            if error.code == 403:
                what = path.rsplit("/", 1)[-1]
                right = f"Let the steps' service account get, list, create and delete {what}"
                raise ApiError(403, f"{error}. {right}, as playbooks/install.yml does") from error
            raise

    def _follow(self, plan: gang_pods.Plan, workload: gang_pods.Workload) -> outputs.Failure | None:
        """Wait for the gang's end, and say what changes meanwhile. None when all nodes ended well."""
        path, selector = self._collections["Pod"], f"{gang_pods.GANG_LABEL}={plan.name}"
        # The account could make the gang: a refusal now is that of an API server which does not know it yet.
        cluster = replace(self.pods.cluster, allowed=True)
        while True:
            whole = cluster.get(workload.path)
            listed = cluster.get(path, labelSelector=selector)
            found = {each["metadata"]["name"]: each for each in listed["items"]}
            nodes = self._look(found)
            if gang_pods.is_complete(whole):
                return None
            if (failed := gang_pods.first_failed(nodes)) is not None:
                return self._failure(failed)
            if gang_pods.all_succeeded(nodes, self.nodes):
                return None
            if (reason := gang_pods.failure_of(whole)) is not None:
                return outputs.Failure(1, f"its {workload.kind} failed: {reason}")
            began = time.monotonic()
            try:
                version = listed["metadata"]["resourceVersion"]
                for event in cluster.watch(path, version, _WATCH_SECONDS, labelSelector=selector):
                    found[event["object"]["metadata"]["name"]] = event["object"]
                    if self._is_decided(self._look(found)) or event["type"] == "DELETED":
                        break
                else:
                    time.sleep(max(0.0, _PAUSE_SECONDS - (time.monotonic() - began)))
            except ApiError as error:
                if error.code != 410:
                    raise

    def _is_decided(self, nodes: list[gang_pods.Seen]) -> bool:
        """Whether the next look at all pods tells how the gang ended. It tells too which of several failed first."""
        return gang_pods.first_failed(nodes) is not None or gang_pods.all_succeeded(nodes, self.nodes)

    def _look(self, found: dict[str, Document]) -> list[gang_pods.Seen]:
        """The gang's pods as they are now; what is new is said."""
        nodes = sorted((gang_pods.seen(pod) for pod in found.values()), key=lambda each: each.node)
        for node in nodes:
            waits_for = f" ({node.said})" if node.said and node.phase == "Pending" else ""
            now = f"{node.phase.lower()}{waits_for}"
            if self._said.get(node.node) != now:
                self._said[node.node] = now
                print(f"node {node.node} of {self.nodes}: {now}", file=sys.stderr, flush=True)
        return nodes

    def _failure(self, node: gang_pods.Seen) -> outputs.Failure:
        said = node.said.split(f", attempt {self.attempt}: ", 1)[-1] or "no reason is known"
        if node.deleted:
            said = f"its pod was deleted ({said})"
        return outputs.Failure(node.code or 1, f"node {node.node} of {self.nodes} failed: {said}")

    def _delete(self, paths: list[str]) -> None:
        for path in paths:
            try:
                self.pods.cluster.delete(path)
            except (ApiError, Unreachable) as error:
                print(f"{path} could not be deleted, and goes with this pod: {error}", file=sys.stderr, flush=True)


def _stop(_number: int, _frame: FrameType | None) -> None:
    raise _Stopped


def _digest(text: str) -> str:
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()[:16]
