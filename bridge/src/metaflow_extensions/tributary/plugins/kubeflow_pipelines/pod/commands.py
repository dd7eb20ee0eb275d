"""The command lines and the environment with which Metaflow runs a task in a pod."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from ..record import Deployment
from .attempts import Attempt
from .ids import PARAMETERS_STEP, task_id
from .inputs import TaskPlace
from .origin import CLONE_GROUP, Origin

if TYPE_CHECKING:
    from .gang_node import Node

RUNTIME = "kubeflow-pipelines"
INTERNAL_DECORATOR = "kubeflow_pipelines_internal"


def environment(deployment: Deployment, step: str, run: str) -> dict[str, str]:
    """The variables that all of Metaflow in this pod sees, @environment's among them. They must be set before metaflow
    is imported.
    """
    return {
        **deployment.environment,
        **deployment.steps[step].environment,
        "METAFLOW_CODE_URL": deployment.code_url,
        "METAFLOW_CODE_SHA": deployment.code_sha,
        "METAFLOW_CODE_METADATA": deployment.code_metadata,
        "METAFLOW_CODE_DS": deployment.datastore_type,
        "METAFLOW_DEFAULT_DATASTORE": deployment.datastore_type,
        "METAFLOW_DEFAULT_METADATA": deployment.metadata_type,
        "METAFLOW_DEFAULT_ENVIRONMENT": deployment.environment_type,
        "METAFLOW_USER": RUNTIME,
        "METAFLOW_OWNER": deployment.owner,
        "METAFLOW_RUNTIME_NAME": RUNTIME,
        "METAFLOW_RUNTIME_ENVIRONMENT": "kubernetes",
        "METAFLOW_FLOW_NAME": deployment.flow_name,
        "METAFLOW_FLOW_FILENAME": deployment.flow_file,
        "METAFLOW_STEP_NAME": step,
        "METAFLOW_RUN_ID": run,
        "TRIBUTARY_PIPELINE": deployment.pipeline,
        "PYTHONUNBUFFERED": "x",
        **({"METAFLOW_PRODUCTION_TOKEN": deployment.production_token} if deployment.production_token else {}),
    }


def init(deployment: Deployment, run: str, values: Mapping[str, str]) -> list[str]:
    """`init`: stores the run's parameters. `values` are by the parameters' names, as the command line takes them.

    It notes the graph of the whole flow too, so it is given the --with of all steps, as on a laptop.
    """
    decospecs = dict.fromkeys(spec for record in deployment.steps.values() for spec in record.decospecs)
    return [
        deployment.flow_file,
        *_top_level(deployment, decospecs),
        "init",
        f"--run-id={run}",
        f"--task-id={task_id(PARAMETERS_STEP, ())}",
        *_tags(deployment),
        *(f"--{name}={value}" for name, value in values.items()),
    ]


def clone(deployment: Deployment, run: str, origin: Origin) -> list[str]:
    """`clone`: gives the run the parameters and the finished tasks of the run that it resumes."""
    return [
        deployment.flow_file,
        *_top_level(deployment, ()),
        CLONE_GROUP,
        "clone",
        f"--run-id={run}",
        f"--origin={origin.to_text()}",
        *_tags(deployment),
    ]


def step(
    deployment: Deployment,
    run: str,
    task: TaskPlace,
    attempt: Attempt,
    inputs_file: str,
    split_index: int | None,
    origin_run: str | None = None,
    node: "Node | None" = None,
) -> list[str]:
    """`step`: runs one attempt of a task; for a node of a gang, of that node's. `origin_run` is what its run
    resumes.
    """
    record = deployment.steps[task.step]
    return [
        deployment.flow_file,
        *_top_level(deployment, (*record.decospecs, INTERNAL_DECORATOR)),
        "step",
        task.step,
        f"--run-id={run}",
        f"--task-id={node.task if node else task_id(task.step, task.path, task.round)}",
        f"--retry-count={attempt.number}",
        f"--max-user-code-retries={attempt.max_user_code_retries}",
        f"--input-paths-filename={inputs_file}",
        *([] if split_index is None else [f"--split-index={split_index}"]),
        *([f"--split-index={node.index}", f"--ubf-context={node.ubf_context}"] if node else []),
        *([] if origin_run is None else [f"--clone-run-id={origin_run}"]),
        *_tags(deployment),
        *([] if deployment.namespace is None else [f"--namespace={deployment.namespace}"]),
    ]


def _top_level(deployment: Deployment, decospecs: Iterable[str]) -> list[str]:
    return [
        "--quiet",
        "--no-pylint",
        f"--metadata={deployment.metadata_type}",
        f"--environment={deployment.environment_type}",
        f"--datastore={deployment.datastore_type}",
        f"--datastore-root={deployment.datastore_root}",
        f"--event-logger={deployment.event_logger_type}",
        f"--monitor={deployment.monitor_type}",
        *(f"--with={spec}" for spec in decospecs),
        *deployment.options,
    ]


def _tags(deployment: Deployment) -> list[str]:
    return [f"--tag={tag}" for tag in deployment.tags]
