"""Names that Metaflow allows and Kubeflow Pipelines does not, made into names that both allow."""

import base64
import re
from collections.abc import Iterable, Mapping
from hashlib import sha1

from .refusals import Refused

# A run's workflow is the pipeline's name and a suffix, and Argo makes a label of it: 63 characters at most.
LONGEST_PIPELINE_NAME = 45
PIPELINE_NAME = re.compile(r"[a-z]([a-z0-9.-]*[a-z0-9])?")

RUN_PREFIX = "kfp-"

# Characters of the hash in a name that had to be cut.
_DIGEST = 6
_SUBDOMAIN = re.compile(r"[a-z][a-z0-9-]*(?<!-)(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")

# Inputs of our own in a step's component. A flow's parameter may not be called so, nor i0, i1, ...
STEP_INPUT = "step"
ITEMS_INPUT = "items"
SPLITS_OUTPUT = "splits"

# The pipeline's own input: which run a run resumes. Empty for a run that starts anew.
ORIGIN_INPUT = "resume_of"


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


def project_pipeline_name(project: str, branch: str, flow_name: str) -> str:
    """The pipeline's name of a flow with @project: `project.branch.flow`, as Kubernetes can have it.

    Lower case, and a dash for an underscore. Where more had to be changed or cut, a hash of the whole tells the name
    from others that would look alike.
    """
    whole = ".".join((project, branch, flow_name))
    plain = whole.lower().replace("_", "-")
    if len(plain) <= LONGEST_PIPELINE_NAME and _SUBDOMAIN.fullmatch(plain):
        return plain
    digest = sha1(whole.encode(), usedforsecurity=False).hexdigest()[:_DIGEST]
    room = (LONGEST_PIPELINE_NAME - _DIGEST - 3) // 3
    words = [re.sub(r"[^a-z0-9]+", "-", each.lower()) for each in (project, branch, flow_name)]
    kept = ".".join(filter(None, (_shortened(word, room) for word in words)))
    return f"{re.sub(r'^[^a-z]+', '', kept) or 'flow'}-{digest}"


def token_prefix(pipeline: str, project: str | None, branch: str | None) -> str:
    """The name under which Metaflow keeps a production token on this machine: all flows of a branch share theirs."""
    if project is None:
        return pipeline.lower()
    whole = sha1(f"{project}.{branch}".encode(), usedforsecurity=False).digest()
    return f"mfprj-{base64.b32encode(whole).decode()[:16]}".lower()


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
    taken = {STEP_INPUT, ITEMS_INPUT, SPLITS_OUTPUT, ORIGIN_INPUT}
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


def _shortened(word: str, room: int) -> str:
    """The word's two ends, when it is longer than there is room for."""
    head = room // 2
    short = word if len(word) <= room else word[:head] + word[len(word) - (room - head) :]
    return short.strip("-")


def _free(wanted: str, taken: set[str]) -> str:
    name, count = wanted, 1
    while name in taken:
        count += 1
        name = f"{wanted}{count}"
    taken.add(name)
    return name
