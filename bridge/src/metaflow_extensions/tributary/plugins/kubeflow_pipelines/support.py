"""What of Metaflow reaches Kubeflow Pipelines, and what is refused and why.

Data, from which checks, tests and the README are made.

The world is closed: a decorator or attribute that stands in no table here is refused by name.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Support:
    """`translated`: the spec or the runner carries it. `in the pod`: Metaflow's own code does it there.

    `refused`: not on Kubeflow Pipelines. `note` says how, or why not; of a refusal, `instead` says what to do.
    """

    how: Literal["translated", "in the pod", "refused"]
    note: str
    instead: str = ""


def _refused(why: str, instead: str = "Remove it, or run the flow without Kubeflow Pipelines") -> Support:
    return Support("refused", why, instead)


_OTHER_SCHEDULER = _refused("it belongs to another scheduler")
_NO_PACKAGES = _refused("no packages are installed in pods", "Put the packages into an image: @kubernetes(image=...)")
_NO_GANG = _refused("a gang of pods that start together is not translated")
_NO_CONTROLLER = _refused("nothing in the cluster watches for it", "Remove it, and start runs with trigger")
_NO_TEST_HELP = _refused("it is Metaflow's own test help")

STEP_DECORATORS: Mapping[str, Support] = {
    "catch": Support("translated", "the fallback runs in the pod of the last attempt"),
    "timeout": Support("in the pod", "each attempt is stopped when its time is up"),
    "environment": Support("translated", "the runner sets the variables"),
    "secrets": _refused("its backends are not configured in pods", "Read the secret inside the step"),
    "parallel": _NO_GANG,
    "retry": Support("translated", "the task's retry policy"),
    "resources": Support("translated", "merged into @kubernetes"),
    "batch": _refused("it runs on AWS Batch", "Use @kubernetes or @resources"),
    "kubernetes": Support("translated", "image, resources and the pod's fields, see its attributes"),
    "argo_workflows_internal": _OTHER_SCHEDULER,
    "step_functions_internal": _OTHER_SCHEDULER,
    "airflow_internal": _OTHER_SCHEDULER,
    "unbounded_test_foreach_internal": _NO_TEST_HELP,
    "card": Support("in the pod", "the card is made and stored as on a laptop"),
    "pytorch_parallel": _NO_GANG,
    "pypi": _NO_PACKAGES,
    "conda": _NO_PACKAGES,
    "kubeflow_pipelines_internal": Support("in the pod", "writes into a task's metadata where it ran"),
}

FLOW_DECORATORS: Mapping[str, Support] = {
    "schedule": Support("translated", "a recurring run of Kubeflow Pipelines, see its attributes"),
    "project": Support("translated", "the pipeline's name, and the runs' tags and current.project_name in the pod"),
    "trigger": _NO_CONTROLLER,
    "trigger_on_finish": _NO_CONTROLLER,
    "pypi_base": _NO_PACKAGES,
    "conda_base": _NO_PACKAGES,
    "exit_hook": _NO_CONTROLLER,
    "airflow_external_task_sensor": _OTHER_SCHEDULER,
    "airflow_s3_key_sensor": _OTHER_SCHEDULER,
}

_IN_PODS = Support("in the pod", "Metaflow reads it there")

ATTRIBUTES: Mapping[str, Mapping[str, Support]] = {
    "retry": {
        "times": Support("translated", "retryPolicy.maxRetryCount"),
        "minutes_between_retries": Support("translated", "retryPolicy.backoffDuration"),
    },
    "schedule": {
        "cron": Support("translated", "trigger.cron_schedule of a recurring run, in Kubeflow's six fields"),
        "weekly": Support("translated", "trigger.cron_schedule of a recurring run"),
        "daily": Support("translated", "trigger.cron_schedule of a recurring run"),
        "hourly": Support("translated", "trigger.cron_schedule of a recurring run"),
        "timezone": _refused(
            "Kubeflow Pipelines has one time zone for all schedules, and nothing in the cluster keeps another",
            "Remove it, and write the time in that zone, UTC where nobody changed it",
        ),
    },
    "catch": {"var": _IN_PODS, "print_exception": _IN_PODS},
    "timeout": {"seconds": _IN_PODS, "minutes": _IN_PODS, "hours": _IN_PODS},
    "environment": {"vars": Support("translated", "the deployment record")},
    "card": {
        "type": _IN_PODS,
        "options": _IN_PODS,
        "scope": _IN_PODS,
        "rank": _IN_PODS,
        "timeout": _IN_PODS,
        "id": _IN_PODS,
        "save_errors": _IN_PODS,
        "customize": _IN_PODS,
        "refresh_interval": _IN_PODS,
    },
    "resources": {
        "cpu": Support("translated", "the larger of this and @kubernetes"),
        "memory": Support("translated", "the larger of this and @kubernetes"),
        "gpu": Support("translated", "container.resources.accelerator"),
        "disk": _refused(
            "Kubeflow Pipelines cannot ask for ephemeral storage",
            "Mount a volume: @kubernetes(persistent_volume_claims=...)",
        ),
        "shared_memory": Support("translated", "an emptyDir in memory at /dev/shm"),
    },
    "kubernetes": {
        "cpu": Support("translated", "container.resources.resourceCpuRequest"),
        "memory": Support("translated", "container.resources.resourceMemoryRequest"),
        "disk": _refused(
            "Kubeflow Pipelines cannot ask for ephemeral storage",
            "Mount a volume: @kubernetes(persistent_volume_claims=...)",
        ),
        "image": Support("translated", "container.image"),
        "image_pull_policy": Support("translated", "imagePullPolicy"),
        "image_pull_secrets": Support("translated", "imagePullSecret"),
        "service_account": _refused("Kubeflow Pipelines has one service account for a whole run", "Remove it"),
        "secrets": _refused("steps are given the key to the object store only", "Read the secret inside the step"),
        "node_selector": Support("translated", "nodeSelector.labels"),
        "namespace": _refused(
            "all pods of a run live in its namespace", "Remove it, or name the namespace of Kubeflow Pipelines"
        ),
        "gpu": Support("translated", "container.resources.accelerator.resourceCount"),
        "gpu_vendor": Support("translated", "container.resources.accelerator.resourceType"),
        "tolerations": Support("translated", "tolerations"),
        "labels": Support("translated", "podMetadata.labels"),
        "annotations": Support("translated", "podMetadata.annotations"),
        "use_tmpfs": Support("translated", "emptyDirMounts"),
        "tmpfs_tempdir": Support("translated", "METAFLOW_TEMPDIR in the deployment record"),
        "tmpfs_size": Support("translated", "emptyDirMounts.sizeLimit"),
        "tmpfs_path": Support("translated", "emptyDirMounts.mountPath"),
        "persistent_volume_claims": Support("translated", "pvcMount"),
        "shared_memory": Support("translated", "an emptyDir in memory at /dev/shm"),
        "port": _refused("Kubeflow Pipelines cannot open a port of a step", "Remove it"),
        "compute_pool": Support("translated", "Metaflow makes a node selector of it"),
        "executable": _refused("the interpreter is the image's python3", "Choose an image with that interpreter"),
        "hostname_resolution_timeout": _refused("only @parallel reads it, and that is not translated", "Remove it"),
        "qos": Support("translated", "with Guaranteed, limits equal to the requests"),
        "extended_resources": Support("translated", "container.resources.accelerator, for one resource and no gpu"),
        "security_context": _refused("not every version of Kubeflow Pipelines has it", "Put the user into the image"),
    },
}

# The shapes of a graph, by Metaflow's name of the step that makes them.
SWITCH = Support("translated", "each arm is a task with a condition; steps on several ways stand in each")
RECURSION = Support("translated", "every round is a task of its own, all in one pod or each in its own: --loops")
SEVERAL_JOINS = _refused(
    "it ends at one join or another, as switches choose",
    "Let all its ways lead to one join, and put the switch behind it",
)
CONFIG = Support("translated", "the values given to create travel in the code package")
INCLUDE_FILE = Support("translated", "the file is stored by create or trigger, and its place is the pipeline's input")
PARAMETER_TYPE = _refused("only parameters of one value are translated", "Use type=JSONType")
PARAMETER_OPTION = _refused("it belongs to a command line that pods do not have", "Remove it, or use type=JSONType")
MUTATOR = Support("translated", "what they change is read from the flow, and changed again in the pod")
WRAPPER = Support("in the pod", "they run around the step as on a laptop")

PARAMETER_OPTIONS = frozenset({"default", "envvar", "help", "hidden", "metavar", "required", "show_default", "type"})
"""What a Parameter may be given beside its name. Metaflow passes whatever else there is to click."""
ENVIRONMENT = _refused("no packages are installed in pods", "Use --environment local and an image with the packages")

IMAGE_PULL_POLICIES = ("Always", "IfNotPresent", "Never")

TRIGGER_OPTIONS = frozenset({"deployer-attribute-file", "experiment", "help", "run-id-file", "version-name"})
"""What `kubeflow-pipelines trigger` takes beside the flow's parameters."""
