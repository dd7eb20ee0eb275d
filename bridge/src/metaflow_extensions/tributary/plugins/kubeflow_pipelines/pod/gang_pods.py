"""The objects of a gang: the workload that makes its pods, the Service by which they find each other, and what a pod's
status says. Plain documents, made from the driver's own pod.

The pods are copies of the driver's: image, variables, volumes, service account, tolerations and all that the cluster
itself added are then those that a step of this run has, whichever version of Kubeflow Pipelines wrote them.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Document = dict[str, Any]

# On everything that a gang is made of: the gang's name, and the task that it is for.
GANG_LABEL = "tributary/gang"
TASK_LABEL = "tributary/gang-task"

# What a node of a gang is told; the same text for all of its nodes.
VARIABLE = "TRIBUTARY_GANG"

JOBSET_VERSION = "jobset.x-k8s.io/v1alpha2"
_JOBSET_JOB = "node"

# A gang is deleted by its driver. One whose driver vanished goes with the driver's pod, at the latest so long after its
# end.
_SECONDS_TO_LIVE = 3600

# Argo's and Kubernetes' own: they belong to the driver's pod alone, or are given to every pod anew.
_FOREIGN_METADATA = (
    "workflows.argoproj.io/",
    "kubectl.kubernetes.io/",
    "cni.projectcalico.org/",
    "k8s.v1.cni.cncf.io/",
)
_FOREIGN_MOUNTS = ("/var/run/argo", "/kfp-launcher", "/var/run/secrets/kubernetes.io/serviceaccount")
_FOREIGN_VARIABLES = "ARGO_"
_MAIN_CONTAINER = "main"

_POD_FIELDS = (
    "affinity",
    "automountServiceAccountToken",
    "dnsConfig",
    "dnsPolicy",
    "hostAliases",
    "imagePullSecrets",
    "nodeSelector",
    "priorityClassName",
    "runtimeClassName",
    "schedulerName",
    "securityContext",
    "serviceAccountName",
    "terminationGracePeriodSeconds",
    "tolerations",
    "topologySpreadConstraints",
)
_CONTAINER_FIELDS = ("envFrom", "image", "imagePullPolicy", "securityContext", "workingDir")


@dataclass(frozen=True)
class Plan:
    """One gang: its name, the task it is for, how many nodes of which attempt, and what each of them runs on what.

    A pod may take `deadline` seconds once it has a node.
    """

    name: str
    task: str
    nodes: int
    attempt: int
    command: tuple[str, ...]
    resources: Mapping[str, Mapping[str, str]]
    deadline: int | None = None


@dataclass(frozen=True)
class Workload:
    """The object that makes the pods: its kind, its collection's path, its body, and node 0's address."""

    kind: Literal["JobSet", "Job"]
    collection: str
    body: Document
    main: str

    @property
    def path(self) -> str:
        """The object's own path."""
        return f"{self.collection}/{self.body['metadata']['name']}"


def collections(namespace: str) -> dict[str, str]:
    """The paths of a namespace's collections, by kind."""
    return {
        "JobSet": f"/apis/{JOBSET_VERSION}/namespaces/{namespace}/jobsets",
        "Job": f"/apis/batch/v1/namespaces/{namespace}/jobs",
        "Service": f"/api/v1/namespaces/{namespace}/services",
        "Pod": f"/api/v1/namespaces/{namespace}/pods",
    }


def job(own: Document, plan: Plan, environ: Mapping[str, str]) -> Workload:
    """An Indexed Job. Its pods find node 0 by the Service that service() makes."""
    main = f"{plan.name}-0.{plan.name}"
    template = _template(own, plan, main, environ)
    template["spec"]["subdomain"] = plan.name
    spec = {**_job_spec(plan, template), "ttlSecondsAfterFinished": _SECONDS_TO_LIVE}
    body = {"apiVersion": "batch/v1", "kind": "Job", "metadata": _metadata(own, plan), "spec": spec}
    return Workload("Job", collections(_namespace(own))["Job"], body, main)


def jobset(own: Document, plan: Plan, environ: Mapping[str, str]) -> Workload:
    """A JobSet of one Indexed Job; its controller makes the Service."""
    main = f"{plan.name}-{_JOBSET_JOB}-0-0.{plan.name}"
    template = _template(own, plan, main, environ)
    spec = {
        "failurePolicy": {"maxRestarts": 0},
        "network": {"enableDNSHostnames": True, "publishNotReadyAddresses": True, "subdomain": plan.name},
        "replicatedJobs": [{"name": _JOBSET_JOB, "replicas": 1, "template": {"spec": _job_spec(plan, template)}}],
        "ttlSecondsAfterFinished": _SECONDS_TO_LIVE,
    }
    body = {"apiVersion": JOBSET_VERSION, "kind": "JobSet", "metadata": _metadata(own, plan), "spec": spec}
    return Workload("JobSet", collections(_namespace(own))["JobSet"], body, main)


def service(own: Document, plan: Plan) -> Document:
    """The headless Service that gives the pods of an Indexed Job their names, before they are ready."""
    spec = {"clusterIP": "None", "publishNotReadyAddresses": True, "selector": {GANG_LABEL: plan.name}}
    return {"apiVersion": "v1", "kind": "Service", "metadata": _metadata(own, plan), "spec": spec}


def _metadata(own: Document, plan: Plan) -> Document:
    """Owned by the driver's pod: when that is deleted, whoever does it, Kubernetes deletes the gang."""
    pod = own["metadata"]
    owner = {"apiVersion": "v1", "kind": "Pod", "name": pod["name"], "uid": pod["uid"]}
    return {"name": plan.name, "labels": _labels(own, plan), "ownerReferences": [owner]}


def _job_spec(plan: Plan, template: Document) -> Document:
    """All nodes at once, and no second try of a single one: a gang is retried as a whole, by its task."""
    return {
        "backoffLimit": 0,
        "completionMode": "Indexed",
        "completions": plan.nodes,
        "parallelism": plan.nodes,
        "template": template,
    }


def _template(own: Document, plan: Plan, main: str, environ: Mapping[str, str]) -> Document:
    spec = own["spec"]
    (container,) = (each for each in spec["containers"] if each["name"] == _MAIN_CONTAINER)
    mounts = [each for each in container.get("volumeMounts", []) if not each["mountPath"].startswith(_FOREIGN_MOUNTS)]
    mounted = {each["name"] for each in mounts}
    told = {"attempt": plan.attempt, "driver": own["metadata"]["name"], "main": main, "nodes": plan.nodes}
    variables = [_variable(each, environ) for each in container.get("env", []) if not _is_foreign(each["name"])]
    node = {
        "name": _MAIN_CONTAINER,
        **_picked(container, _CONTAINER_FIELDS),
        # Kubernetes would put a variable's value in place of $(NAME).
        "command": [word.replace("$(", "$$(") for word in plan.command],
        "env": [*variables, {"name": VARIABLE, "value": json.dumps(told)}],
        "resources": plan.resources,
        "volumeMounts": mounts,
    }
    return {
        "metadata": {"labels": _labels(own, plan), "annotations": _own_words(own["metadata"].get("annotations"))},
        "spec": {
            **_picked(spec, _POD_FIELDS),
            **({} if plan.deadline is None else {"activeDeadlineSeconds": plan.deadline}),
            "containers": [node],
            "restartPolicy": "Never",
            "volumes": [each for each in spec.get("volumes", []) if each["name"] in mounted],
        },
    }


def _variable(entry: Document, environ: Mapping[str, str]) -> Document:
    """The variable as the gang's pods get it. What the driver reads from its own labels and annotations is not on
    theirs.
    """
    path = entry.get("valueFrom", {}).get("fieldRef", {}).get("fieldPath", "")
    if path.startswith(("metadata.labels", "metadata.annotations")):
        return {"name": entry["name"], "value": environ.get(entry["name"], "")}
    return entry


def _is_foreign(variable: str) -> bool:
    return variable.startswith(_FOREIGN_VARIABLES) or variable == VARIABLE


def _labels(own: Document, plan: Plan) -> dict[str, str]:
    return {**_own_words(own["metadata"].get("labels")), GANG_LABEL: plan.name, TASK_LABEL: plan.task}


def _own_words(metadata: Mapping[str, str] | None) -> dict[str, str]:
    """Without Argo's: it takes a pod with its labels for one of its own."""
    return {name: value for name, value in (metadata or {}).items() if not name.startswith(_FOREIGN_METADATA)}


def _picked(document: Document, names: Iterable[str]) -> Document:
    return {name: document[name] for name in names if document.get(name) is not None}


def _namespace(own: Document) -> str:
    return str(own["metadata"]["namespace"])


@dataclass(frozen=True)
class Seen:
    """What is known of one node's pod. `said` is why it waits or failed, in its own words or Kubernetes'."""

    node: int
    phase: str
    said: str
    code: int
    deleted: bool
    ended: str


def seen(pod: Document) -> Seen:
    """A pod of a gang, read."""
    metadata, status = pod["metadata"], pod.get("status") or {}
    (state, *_) = [each.get("state") or {} for each in status.get("containerStatuses") or []] or [{}]
    ended = state.get("terminated") or {}
    return Seen(
        node=int(metadata["annotations"]["batch.kubernetes.io/job-completion-index"]),
        phase=str(status.get("phase") or "Pending"),
        said=_said(status, state),
        code=int(ended.get("exitCode") or 0),
        deleted="deletionTimestamp" in metadata,
        ended=str(ended.get("finishedAt") or ""),
    )


def _said(status: Document, state: Document) -> str:
    if ended := state.get("terminated"):
        reason = ended.get("reason") or ""
        own = (ended.get("message") or "").strip()
        return own or (f"exit code {ended.get('exitCode')}" if reason in ("", "Error", "Completed") else str(reason))
    if waits := state.get("waiting"):
        return ": ".join(filter(None, (waits.get("reason"), waits.get("message"))))
    if status.get("message") or status.get("reason"):
        return ": ".join(filter(None, (status.get("reason"), status.get("message"))))
    scheduled = [each for each in status.get("conditions") or [] if each["type"] == "PodScheduled"]
    return ": ".join(filter(None, (scheduled[0].get("reason"), scheduled[0].get("message")))) if scheduled else ""


def first_failed(nodes: Iterable[Seen]) -> Seen | None:
    """The node that brought the gang down: the first that ended badly by itself, for the others are then stopped."""
    failed = [each for each in nodes if each.phase == "Failed"]
    return min(failed, key=lambda each: (each.deleted, each.ended or "9999", each.node), default=None)


def all_succeeded(nodes: Iterable[Seen], wanted: int) -> bool:
    """Whether every node has a pod that ended well."""
    return {each.node for each in nodes if each.phase == "Succeeded"} >= set(range(wanted))


def is_complete(workload: Document) -> bool:
    """Whether a Job or JobSet ended well as its conditions say. Its pods alone do not tell: one that has finished goes
    with its machine, and the others run on.
    """
    return _condition(workload, "Complete", "Completed") is not None


def failure_of(workload: Document) -> str | None:
    """Why a Job or JobSet failed as its conditions say, or None while it did not."""
    failed = _condition(workload, "Failed")
    if failed is None:
        return None
    return ": ".join(filter(None, (failed.get("reason"), failed.get("message")))) or "no reason is known"


def _condition(workload: Document, *types: str) -> Document | None:
    """The condition of one of these types, if it holds."""
    conditions: Sequence[Document] = (workload.get("status") or {}).get("conditions") or []
    return next((each for each in conditions if each["type"] in types and each["status"] == "True"), None)
