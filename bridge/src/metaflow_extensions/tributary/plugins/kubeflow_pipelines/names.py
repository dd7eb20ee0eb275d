"""Names that Metaflow allows and Kubeflow Pipelines does not, made into names that both allow."""

import re
from collections.abc import Iterable, Mapping

from .refusals import Refused

# A run's workflow is the pipeline's name and a suffix, and Argo makes a label of it: 63 characters at most.
LONGEST_PIPELINE_NAME = 45
PIPELINE_NAME = re.compile(r"[a-z]([a-z0-9.-]*[a-z0-9])?")

RUN_PREFIX = "kfp-"

# Inputs of our own in a step's component. A flow's parameter may not be called so, nor i0, i1, ...
STEP_INPUT = "step"
ITEMS_INPUT = "items"
SPLITS_OUTPUT = "splits"


def index_input(depth: int) -> str:
    """The input that holds the index of the foreach at this depth; 0 is the outermost."""
    return f"i{depth}"


def pipeline_name(flow_name: str, given: str | None) -> str:
    """The pipeline's name: the one given, else the flow's in lower case. Refused when Kubernetes could not use it."""
    if given is None:
        name = re.sub(r"[^a-z0-9.-]", "", flow_name.lower()).strip(".-")
        name = re.sub(r"^[^a-z]+", "", name)
    else:
        name = given
    if not PIPELINE_NAME.fullmatch(name):
        raise Refused(
            f"pipeline name {name!r}: is not a name for Kubernetes. "
            "Use lower case letters, digits, '-' and '.', with a letter first and a letter or digit last: --name NAME."
        )
    if len(name) > LONGEST_PIPELINE_NAME:
        raise Refused(
            f"pipeline name {name!r}: has {len(name)} characters, {LONGEST_PIPELINE_NAME} is the most. "
            "Use --name with a shorter one."
        )
    return name


def task_names(steps: Iterable[str], foreaches: Iterable[str] = ()) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """Step -> name of its task, and foreach step -> name of the task that loops over a body of several steps.

    Argo knows no underscore, and Kubeflow Pipelines puts a task '<task>-driver' beside every task.
    """
    taken: set[str] = set()
    names: dict[str, str] = {}
    for step in sorted(steps):
        name = step.replace("_", "-")
        names[step] = _free(f"{name}-step" if name.endswith("-driver") else name, taken)
    return names, {step: _free(f"each-{names[step]}", taken) for step in sorted(foreaches)}


def input_names(parameters: Iterable[str]) -> Mapping[str, str]:
    """Metaflow parameter -> pipeline input: letters, digits and underscores only, and none of our own inputs."""
    taken = {STEP_INPUT, ITEMS_INPUT, SPLITS_OUTPUT}
    names: dict[str, str] = {}
    for parameter in parameters:
        name = re.sub(r"\W", "_", parameter, flags=re.ASCII)
        if re.fullmatch(r"i\d+", name):
            name += "_"
        names[parameter] = _free(name, taken)
    return names


def run_id(kubeflow_run_id: str) -> str:
    """Metaflow's id of the run with this id in Kubeflow Pipelines."""
    return RUN_PREFIX + kubeflow_run_id


def kubeflow_run_id(run_id: str) -> str:
    """The id in Kubeflow Pipelines of a run given by either id, or by a pathspec Flow/run."""
    return run_id.rsplit("/", 1)[-1].removeprefix(RUN_PREFIX)


def _free(wanted: str, taken: set[str]) -> str:
    name, count = wanted, 1
    while name in taken:
        count += 1
        name = f"{wanted}{count}"
    taken.add(name)
    return name
