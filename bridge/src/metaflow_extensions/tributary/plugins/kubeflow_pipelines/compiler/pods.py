"""A step's @kubernetes attributes as the two parts of an executor: its container, and its pod's other fields."""

from collections.abc import Mapping, Sequence
from typing import Any

from ..pod.mounted import SECRETS_MOUNT
from ..pod.time_limit import pod_seconds
from .capabilities import Feature
from .ir import Flow, Step, Target

CONFIG_MOUNT = "/var/run/tributary/config"

# The keys of the steps' Secret. They become variables and not a mount: Kubeflow Pipelines names a pod's volume after
# the object in it, so a Secret and a ConfigMap of the same name could not be mounted together.
SECRET_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")

# One more key of it, where the metadata service asks for tokens.
TOKEN_KEY = "METAFLOW_SERVICE_AUTH_KEY"

# What a pod tells the step about itself. The runner and its decorator read these names.
FIELD_PATHS: tuple[tuple[str, str], ...] = (
    ("TRIBUTARY_RUN", "metadata.labels['pipeline/runid']"),
    ("TRIBUTARY_NODE", "metadata.annotations['workflows.argoproj.io/node-name']"),
    ("TRIBUTARY_POD", "metadata.name"),
    ("TRIBUTARY_NAMESPACE", "metadata.namespace"),
    ("TRIBUTARY_POD_ID", "metadata.uid"),
    ("TRIBUTARY_HOST_IP", "status.hostIP"),
    ("TRIBUTARY_ACCOUNT", "spec.serviceAccountName"),
)

# The variable by which the runner's decorator knows what current.tempdir is to be.
CURRENT_TEMPDIR = "TRIBUTARY_TEMPDIR"

# Keys of @kubernetes(security_context=...), and the fields of KubernetesExecutorConfig that carry them.
SECURITY_CONTEXT = {"run_as_user": "runAsUser", "run_as_group": "runAsGroup", "run_as_non_root": "runAsNonRoot"}

# What runs no step itself. The driver of a gang holds no accelerator while its gang waits for the same.
_SMALL: Mapping[str, Any] = {
    "cpu": "0.1",
    "memory": "256",
    "gpu": None,
    "extended_resources": None,
    "qos": "Burstable",
}

Document = dict[str, Any]


def container(step: Step) -> Document:
    """Image and resources, as PipelineContainerSpec has them."""
    asked = _kubernetes(step)
    return small_container(step) if step.gang else {"image": asked["image"], "resources": resources(asked)}


def small_container(step: Step) -> Document:
    """The step's image, with as little of a node as the runner itself needs."""
    asked = {**_kubernetes(step), **_SMALL}
    return {"image": asked["image"], "resources": resources(asked)}


def resources(asked: Mapping[str, Any]) -> Document:
    """What @kubernetes attributes ask of a node, as PipelineContainerSpec has it."""
    cpu, memory = _number(asked["cpu"]), f"{_number(asked['memory'])}M"
    found: Document = {"resourceCpuRequest": cpu, "resourceMemoryRequest": memory}
    if str(asked.get("qos") or "").lower() == "guaranteed":
        found |= {"resourceCpuLimit": cpu, "resourceMemoryLimit": memory}
    if accelerators := _accelerators(asked):
        ((kind, count),) = accelerators.items()
        found["accelerator"] = {"resourceType": kind, "resourceCount": count}
    return found


def counts_differ(step: Step) -> bool:
    """Whether a step asks for an accelerator twice, by `gpu` and by `extended_resources`, and not for as many."""
    decorator = step.decorator("kubernetes")
    asked = decorator.attributes if decorator else {}
    others = {str(kind): str(count) for kind, count in (asked.get("extended_resources") or {}).items()}
    return any(others.get(kind, count) != count for kind, count in _gpus(asked).items())


def accelerators(step: Step) -> Mapping[str, str]:
    """Everything but cpu and memory that the step asks a node for. Kubeflow Pipelines has room for one."""
    decorator = step.decorator("kubernetes")
    return _accelerators(decorator.attributes) if decorator else {}


def platform(step: Step, target: Target, seconds: int | None) -> Document:
    """The pod's fields, as KubernetesExecutorConfig has them. `seconds` is its deadline."""
    asked = _kubernetes(step)
    fields: Document = {"fieldPathAsEnv": [{"name": name, "fieldPath": path} for name, path in FIELD_PATHS]}
    if target.steps_secret:
        names = (*SECRET_KEYS, TOKEN_KEY) if target.service_token else SECRET_KEYS
        keys = [{"secretKey": key, "envVar": key} for key in names]
        fields["secretAsEnv"] = [{"secretName": target.steps_secret, "keyToEnv": keys}]
    if policy := asked.get("image_pull_policy"):
        fields["imagePullPolicy"] = policy
    if secrets := asked.get("image_pull_secrets"):
        fields["imagePullSecret"] = [{"secretName": secret} for secret in secrets]
    if selector := asked.get("node_selector"):
        fields["nodeSelector"] = {"labels": {key: str(value) for key, value in selector.items()}}
    if tolerations := asked.get("tolerations"):
        fields["tolerations"] = [_toleration(each) for each in tolerations]
    if metadata := {key: _texts(asked[key]) for key in ("annotations", "labels") if asked.get(key)}:
        fields["podMetadata"] = metadata
    if context := _security_context(asked):
        fields["securityContext"] = context
    if seconds is not None and target.capabilities.has(Feature.POD_DEADLINE):
        fields["activeDeadlineSeconds"] = seconds
    return fields | _volumes(asked, target)


def secret_mounts(attributes: Mapping[str, Any], target: Target) -> list[tuple[str, str]]:
    """The Secrets of @kubernetes(secrets=...) and of METAFLOW_KUBERNETES_SECRETS, in Metaflow's order, and where each
    is mounted. The pipeline spec cannot ask for all keys of a Secret as variables, so the runner makes them of files.
    """
    asked = attributes.get("secrets") or ()
    names = dict.fromkeys((*([asked] if isinstance(asked, str) else asked), *target.secrets))
    return [(name, f"{SECRETS_MOUNT}/{number}") for number, name in enumerate(names)]


def service_account(flow: Flow) -> str | None:
    """The service account that the steps ask for; the law of one service account has been met."""
    return next((each for step in flow.steps.values() if (each := asked_service_account(step))), None)


def asked_service_account(step: Step) -> str | None:
    """What the step's @kubernetes says itself; Metaflow's setting for its own jobs is not read."""
    decorator = step.decorator("kubernetes")
    if decorator is None or "service_account" not in decorator.changed:
        return None
    return str(decorator.attributes["service_account"])


def has_memory_folders(step: Step) -> bool:
    """Whether folders of the step's pod lie in memory."""
    return bool(memory_mounts(_kubernetes(step)))


def temporary_folder(attributes: Mapping[str, Any]) -> dict[str, str]:
    """The variables that say where a step with these @kubernetes attributes has its temporary folder: METAFLOW_TEMPDIR,
    or where that is to stay as it is, the one of current.tempdir alone.
    """
    if not attributes.get("tmpfs_tempdir", True):
        return {CURRENT_TEMPDIR: str(attributes["tmpfs_path"])} if attributes.get("tmpfs_path") else {}
    return {"METAFLOW_TEMPDIR": str(attributes["tmpfs_path"])} if _tmpfs(attributes) else {}


def deadline(steps: Sequence[Step], *, in_batches: bool = False) -> int | None:
    """The most seconds that the pod of these steps may take once it has a node; None where nothing is to be set.

    A pod may run any number of rounds of a step that follows itself, and of splits that are batched. The driver of a
    gang waits for nodes as long as there are none; its gang's pods have the deadline. A pod of several steps may have
    to make all attempts of each of them, and has for each what a pod of its own would have.
    """
    limits = [None if step.recursive or step.gang else pod_seconds(step.timeout_seconds) for step in steps]
    if in_batches or None in limits:
        return None
    if len(steps) == 1:
        return limits[0]
    waits = sum(step.retries * step.minutes_between_retries * 60 for step in steps)
    return waits + sum((step.retries + 1) * (limit or 0) for step, limit in zip(steps, limits, strict=True))


def _kubernetes(step: Step) -> Mapping[str, Any]:
    decorator = step.decorator("kubernetes")
    assert decorator is not None, f"{step.place}: @kubernetes is attached to every step before reading"
    return decorator.attributes


def _security_context(asked: Mapping[str, Any]) -> Document:
    wanted = asked.get("security_context") or {}
    given = {field: wanted[key] for key, field in SECURITY_CONTEXT.items() if wanted.get(key) is not None}
    return {field: value if isinstance(value, bool) else int(float(value)) for field, value in given.items()}


def _volumes(asked: Mapping[str, Any], target: Target) -> Document:
    fields: Document = {}
    if target.steps_config:
        fields["configMapAsVolume"] = [{"configMapName": target.steps_config, "mountPath": CONFIG_MOUNT}]
    if secrets := secret_mounts(asked, target):
        fields["secretAsVolume"] = [{"secretName": secret, "mountPath": path} for secret, path in secrets]
    if claims := asked.get("persistent_volume_claims"):
        fields["pvcMount"] = [{"constant": claim, "mountPath": path} for claim, path in claims.items()]
    if mounts := memory_mounts(asked):
        fields["emptyDirMounts"] = mounts
    return fields


def _accelerators(asked: Mapping[str, Any]) -> dict[str, str]:
    found = {str(kind): str(count) for kind, count in (asked.get("extended_resources") or {}).items()}
    return found | _gpus(asked)


def _gpus(asked: Mapping[str, Any]) -> dict[str, str]:
    """What `gpu` asks for; of none of them, nothing."""
    if not float(asked.get("gpu") or 0):
        return {}
    return {f"{str(asked['gpu_vendor']).lower()}.com/gpu": _number(asked["gpu"])}


def memory_mounts(asked: Mapping[str, Any]) -> list[Document]:
    """The folders in memory that @kubernetes asks for, as emptyDirMounts has them."""
    mounts = []
    if _tmpfs(asked):
        size = f"{_number(asked['tmpfs_size'])}Mi"
        mounts.append({"volumeName": "tmpfs", "mountPath": asked["tmpfs_path"], "medium": "Memory", "sizeLimit": size})
    if asked.get("shared_memory"):
        size = f"{_number(asked['shared_memory'])}Mi"
        mounts.append({"volumeName": "shared-memory", "mountPath": "/dev/shm", "medium": "Memory", "sizeLimit": size})
    return mounts


def _tmpfs(asked: Mapping[str, Any]) -> bool:
    return bool(asked.get("use_tmpfs") or asked.get("tmpfs_size"))


def _toleration(asked: Mapping[str, Any]) -> Document:
    fields = {key: asked[key] for key in ("key", "operator", "value", "effect") if asked.get(key) is not None}
    seconds = asked.get("toleration_seconds", asked.get("tolerationSeconds"))
    return fields if seconds is None else {**fields, "tolerationSeconds": int(seconds)}


def _texts(values: Mapping[str, Any]) -> dict[str, str]:
    return {str(key): "" if value is None else str(value) for key, value in values.items()}


def _number(value: Any) -> str:
    """A number without a needless fraction: Metaflow gives '4096', '4096.0' or 4096."""
    number = float(value)
    return str(int(number)) if number.is_integer() else str(number)
