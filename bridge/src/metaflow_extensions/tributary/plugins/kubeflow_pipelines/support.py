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


UNKNOWN = _refused("this version of the extension does not know it", "Remove it, or use a newer version")
_OTHER_SCHEDULER = _refused("it belongs to another scheduler")
_PACKAGES = Support(
    "translated", "Metaflow's own commands make the environment in the pod, and its Python runs the step"
)
_GANG = Support("translated", "a gang of pods that start together: a JobSet, or an Indexed Job with a headless Service")
_CONTROLLER = "it needs the controller in the cluster, which is not part of this release"
_NO_CONTROLLER = _refused(_CONTROLLER, "Remove it, and start runs with trigger")
_NO_TEST_HELP = _refused("it is Metaflow's own test help")

STEP_DECORATORS: Mapping[str, Support] = {
    "catch": Support("translated", "the fallback runs in the pod of the last attempt"),
    "timeout": Support("in the pod", "each attempt is stopped when its time is up; the pod has a deadline beyond it"),
    "environment": Support("translated", "the runner sets the variables"),
    "secrets": Support("in the pod", "Metaflow's own backends, with the deployer's settings for them"),
    "parallel": _GANG,
    "retry": Support("translated", "the task's retry policy"),
    "resources": Support("translated", "merged into @kubernetes"),
    "batch": _refused("it runs on AWS Batch", "Use @kubernetes or @resources"),
    "kubernetes": Support("translated", "image, resources and the pod's fields, see its attributes"),
    "argo_workflows_internal": _OTHER_SCHEDULER,
    "step_functions_internal": _OTHER_SCHEDULER,
    "airflow_internal": _OTHER_SCHEDULER,
    "unbounded_test_foreach_internal": _NO_TEST_HELP,
    "card": Support("in the pod", "the card is made and stored as on a laptop"),
    "pytorch_parallel": _GANG,
    "pypi": _PACKAGES,
    "conda": _PACKAGES,
    "kubeflow_pipelines_internal": Support("in the pod", "writes into a task's metadata where it ran"),
}

# Those of the package metaflow-checkpoint, which need not be installed. Its files travel with the code package.
_KEPT_IN_STORE = Support("in the pod", "what it keeps lies in the flow's datastore, and a later attempt finds it")

OTHER_STEP_DECORATORS: Mapping[str, Support] = {
    "checkpoint": _KEPT_IN_STORE,
    "model": _KEPT_IN_STORE,
    "huggingface_hub": _KEPT_IN_STORE,
}

OTHER_FLOW_DECORATORS: Mapping[str, Support] = {
    "with_artifact_store": Support(
        "in the pod", "what @checkpoint, @model and @huggingface_hub keep lies in the store that it names"
    ),
}

FLOW_DECORATORS: Mapping[str, Support] = {
    "schedule": Support("translated", "a recurring run of Kubeflow Pipelines, see its attributes"),
    "project": Support("translated", "the pipeline's name, and the runs' tags and current.project_name in the pod"),
    "trigger": _NO_CONTROLLER,
    "trigger_on_finish": _NO_CONTROLLER,
    "pypi_base": _PACKAGES,
    "conda_base": _PACKAGES,
    "exit_hook": _NO_CONTROLLER,
    "airflow_external_task_sensor": _OTHER_SCHEDULER,
    "airflow_s3_key_sensor": _OTHER_SCHEDULER,
}

_IN_PODS = Support("in the pod", "Metaflow reads it there")

_IN_ENVIRONMENT = Support("translated", "the environment's id, by which its interpreter is called")
_ENVIRONMENT_OF_A_STEP = {"packages": _IN_ENVIRONMENT, "python": _IN_ENVIRONMENT, "disabled": _IN_ENVIRONMENT}

ATTRIBUTES: Mapping[str, Mapping[str, Support]] = {
    "checkpoint": {"load_policy": _IN_PODS, "show_card": _IN_PODS, "temp_dir_root": _IN_PODS},
    "model": {"load": _IN_PODS, "best_effort_load": _IN_PODS, "temp_dir_root": _IN_PODS},
    "huggingface_hub": {"temp_dir_root": _IN_PODS, "load": _IN_PODS, "cache_scope": _IN_PODS},
    "with_artifact_store": {"type": _IN_PODS, "config": _IN_PODS},
    "conda": _ENVIRONMENT_OF_A_STEP | {"libraries": _IN_ENVIRONMENT},
    "conda_base": _ENVIRONMENT_OF_A_STEP | {"libraries": _IN_ENVIRONMENT},
    "pypi": _ENVIRONMENT_OF_A_STEP,
    "pypi_base": _ENVIRONMENT_OF_A_STEP,
    "retry": {
        "times": Support("translated", "retryPolicy.maxRetryCount"),
        "minutes_between_retries": Support("translated", "retryPolicy.backoffDuration"),
    },
    "project": {
        "name": Support("translated", "the pipeline's name and the runs' tags"),
        "branch": Support("translated", "the pipeline's name and the runs' tags"),
        "production": Support("translated", "the pipeline's name and the runs' tags"),
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
    "secrets": {"sources": _IN_PODS, "role": _IN_PODS, "allow_override": _IN_PODS},
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
    "pytorch_parallel": {"master_port": _IN_PODS},
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
        "service_account": Support("translated", "the run's service account; the same for every step"),
        "secrets": Support("translated", "secretAsVolume; the runner makes variables of the keys"),
        "node_selector": Support("translated", "nodeSelector.labels"),
        "namespace": _refused(
            "all pods of a run live in its namespace, which only a Kubeflow of several users lets you choose",
            "Remove it, or name what --kubeflow-namespace says, for a Kubeflow of several users",
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
        "executable": Support("translated", "the runner starts the step by it"),
        "hostname_resolution_timeout": Support("translated", "how long the pods of a gang look for the first one"),
        "qos": Support("translated", "with Guaranteed, limits equal to the requests"),
        "extended_resources": Support("translated", "container.resources.accelerator, for one resource and no gpu"),
        "security_context": Support(
            "translated", "securityContext, from Kubeflow Pipelines 2.16 on: run_as_user, run_as_group, run_as_non_root"
        ),
    },
}


def step_decorator(name: str) -> Support:
    """What becomes of a step decorator, Metaflow's own or another's; refused when nobody here knows it."""
    return STEP_DECORATORS.get(name) or OTHER_STEP_DECORATORS.get(name) or UNKNOWN


def flow_decorator(name: str) -> Support:
    """The same for a decorator of the flow."""
    return FLOW_DECORATORS.get(name) or OTHER_FLOW_DECORATORS.get(name) or UNKNOWN


def attribute(decorator: str, name: str) -> Support:
    """What becomes of a decorator's attribute; refused when nobody here knows it."""
    return ATTRIBUTES.get(decorator, {}).get(name) or UNKNOWN


# The shapes of a graph, by Metaflow's name of the step that makes them.
SWITCH = Support(
    "translated",
    "each arm is a task with a condition; steps on several ways stand in each, or are chosen anew",
)
RECURSION = Support("translated", "every round is a task of its own, all in one pod or each in its own: --loops")
CAUGHT_GANG = _refused(
    "Metaflow refuses it on Kubernetes, because a gang's tasks fail together", "Catch the exception inside the step"
)
LONE_TIMEOUT = _refused("only the pods of a @parallel step look for each other", "Remove it")
CONFIG = Support("translated", "the values given to create travel in the code package")
INCLUDE_FILE = Support("translated", "the file is stored by create or trigger, and its place is the pipeline's input")
PARAMETER_TYPE = _refused("only parameters of one value are translated", "Use type=JSONType")
PARAMETER_OPTION = _refused("it belongs to a command line that pods do not have", "Remove it, or use type=JSONType")
MUTATOR = Support("translated", "what they change is read from the flow, and changed again in the pod")
WRAPPER = Support("in the pod", "they run around the step as on a laptop")

PARAMETER_OPTIONS = frozenset({"default", "envvar", "help", "hidden", "metavar", "required", "show_default", "type"})
"""What a Parameter may be given beside its name. Metaflow passes whatever else there is to click."""

GANGS_TOO = "the pods of a gang are refused alike"
"""Said of a @parallel step where the pipeline has no place for what it asks for: its gang's pods could have it, but the
attribute would then mean one thing beside @parallel and another without."""

OF_A_POD = frozenset({("kubernetes", "disk"), ("kubernetes", "port"), ("resources", "disk")})
"""The refused attributes that a pod of our own making could have."""

_NOT_S3 = _refused(
    "a step's container fetches what it runs from S3 before it has Metaflow, and can ask no other store",
    "Use --datastore s3, with METAFLOW_S3_ENDPOINT_URL where the store is not Amazon's",
)

DATASTORES: Mapping[str, Support] = {
    "s3": Support("translated", "pods and laptop read and write the same"),
    "local": _refused("pods cannot read it", "Use --datastore s3"),
    "spin": _refused("pods cannot read it", "Use --datastore s3"),
    "gs": _NOT_S3,
    "azure": _NOT_S3,
    "s3-compatible": _NOT_S3,
    "coreweave": _NOT_S3,
}


def datastore(kind: str) -> Support:
    """What becomes of a datastore, Metaflow's own or another's."""
    return DATASTORES.get(kind) or _NOT_S3


GRAPH_REMEDIES: Mapping[str, str] = {
    "check_reserved_words": "Rename the step",
    "check_basic_steps": "Name one step start and one end, or mark them with @step(start=True) and @step(end=True)",
    "check_annotation_name_conflict": "Rename one of the two steps",
    "check_start_end_degree": "Lead the transition to another step",
    "check_that_end_is_end": "Add a step before the last",
    "check_step_names": "Rename the step",
    "check_num_args": "Give a join step 'self' and 'inputs', and any other step 'self' alone",
    "check_static_transitions": "Add a self.next() as the last line of the step",
    "check_valid_transitions": "Write self.next() in one of these forms",
    "check_unknown_transitions": "Name a step of this flow in self.next(), or add the step",
    "check_for_acyclicity": "Break the loop, or let a switch lead the step to itself",
    "check_for_orphans": "Lead a step to it with self.next(), or remove it",
    "check_split_join_balance": "Lead all ways of the split to one join step, and only those",
    "check_switch_splits": "Give self.next() a dictionary of two steps or more, and condition= an artifact's name",
    "check_empty_foreaches": "Add a step between the two",
    "check_parallel_step_after_next": "Put @parallel on the step that follows",
    "check_join_followed_by_parallel_step": "Give the step that follows the argument inputs",
    "check_parallel_foreach_calls_parallel_step": "Write self.next(..., num_parallel=N), or remove @parallel",
    "check_nested_foreach": "Take one of the two away",
    "check_ambiguous_joins": "Put a step between the switch and the join",
}
"""What to do about each of Metaflow's own checks of a graph, where its sentence does not say it."""

ENVIRONMENT = _refused("this version of the extension does not know it", "Use one that Metaflow itself ships")

ENVIRONMENTS: Mapping[str, Support] = {
    "local": Support("translated", "a step is run by a fork of the runner, with the image's packages"),
    "conda": _PACKAGES,
    "pypi": _PACKAGES,
    "uv": _PACKAGES,
}

IMAGE_PULL_POLICIES = ("Always", "IfNotPresent", "Never")

TRIGGER_OPTIONS = frozenset({"deployer-attribute-file", "experiment", "help", "run-id-file", "version-name"})
"""What `kubeflow-pipelines trigger` takes beside the flow's parameters."""

_LEFT_OUT = _refused(_CONTROLLER, "Leave it out")
_NOT_SENT = _refused("it has no meaning here, where nobody is notified", "Leave it out")

ARGO_OPTIONS: Mapping[str, Support] = {
    "--workflow-priority": _LEFT_OUT,
    "--auto-emit-argo-events": _LEFT_OUT,
    "--no-auto-emit-argo-events": _refused("it has no meaning here, where no events are sent", "Leave it out"),
    "--notify-on-error": _LEFT_OUT,
    "--no-notify-on-error": _NOT_SENT,
    "--notify-on-success": _LEFT_OUT,
    "--no-notify-on-success": _NOT_SENT,
    "--notify-slack-webhook-url": _LEFT_OUT,
    "--notify-pager-duty-integration-key": _LEFT_OUT,
    "--notify-incident-io-api-key": _LEFT_OUT,
    "--incident-io-alert-source-config-id": _LEFT_OUT,
    "--incident-io-metadata": _LEFT_OUT,
    "--enable-heartbeat-daemon": _LEFT_OUT,
    "--no-enable-heartbeat-daemon": _refused(
        "it has no meaning here, where a run has no heartbeat of its own", "Leave it out"
    ),
    "--enable-error-msg-capture": _refused(
        "it needs an exit hook, and so the controller in the cluster, which is not part of this release",
        "Leave it out: `kubeflow-pipelines status` says why a step failed",
    ),
    "--no-enable-error-msg-capture": _refused("it has no meaning here, where no exit hook runs", "Leave it out"),
}
"""What `create` of Metaflow's Argo integration takes and ours does not."""

ARGO_COMMANDS: Mapping[str, Support] = {
    "suspend": _refused(_CONTROLLER, "End the run with terminate, and go on later with resume"),
    "unsuspend": _refused(_CONTROLLER, "Go on with a run that has ended: retry or resume"),
    "heartbeat": _refused(
        "it has no meaning here, where a run has no heartbeat of its own", "Ask how a run stands with status"
    ),
    "list-workflow-templates": _refused(
        "it has no meaning here, where flows become pipelines", "List those with: kubeflow-pipelines list"
    ),
}
"""The commands of Metaflow's Argo integration that have no command of their name here."""

SINCE: Mapping[str, str] = {
    "Config(plain=True)": "2.19.10",
    "other names for start and end": "2.19.23",
    "a flow of one step": "2.19.23",
    "@kubernetes(extended_resources=...)": "2.19.34",
}
"""What the oldest Metaflow that is supported lacks, and the first Metaflow that has it."""
