"""Names that Metaflow allows and Kubeflow Pipelines does not, made into names that both allow."""

import base64
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha1
from itertools import count

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
CHOICE = "choice"
AMONG_INPUT = "among"

_ROLES = ("switch", "arm", "rounds", "again", "left", "told")
_COPY = re.compile(r"-x\d+$")

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


def spec_name(pipeline: str) -> str:
    """What the pipeline is called inside its spec. Kubeflow Pipelines takes a dot in a pipeline's own name, and none
    there (`ValidatePipelineName` in backend/src/apiserver/common/utils.go).
    """
    return pipeline.replace(".", "-")


def token_prefix(pipeline: str, project: str | None, branch: str | None) -> str:
    """The name under which Metaflow keeps a production token on this machine: all flows of a branch share theirs."""
    if project is None:
        return pipeline.lower()
    whole = sha1(f"{project}.{branch}".encode(), usedforsecurity=False).digest()
    return f"mfprj-{base64.b32encode(whole).decode()[:16]}".lower()


@dataclass(frozen=True)
class TaskNames:
    """Names of a flow's tasks. A step has one, and further ones by role: "each" loops over the body of a foreach,
    "switch" holds the arms of a switch, "arm" is the arm that begins with the step; of a step that follows itself,
    "rounds" holds a round and what follows it, "again" is that, and "left" tells what the last round chose;
    "told" tells where the ways from a switch, split or foreach have led.
    """

    names: Mapping[tuple[str, str], str]
    steps: Mapping[str, str]

    def name(self, step: str, role: str = "") -> str:
        """The name of the step's task in this role."""
        return self.names[step, role]

    def names_of_copies(self, name: str) -> Iterator[str]:
        """The name, and then names for further tasks that do what the task of this name does."""
        yield name
        yield from (copy for number in count(2) if (copy := f"{name}-x{number}") not in self.steps)

    def step(self, task: str) -> str | None:
        """The step that a task stands for, or None."""
        return self.steps.get(task) or self.steps.get(_COPY.sub("", task))


def task_names(steps: Iterable[str], foreaches: Iterable[str] = ()) -> TaskNames:
    """The names for these steps, among which are these foreach steps.

    Argo knows no underscore, and Kubeflow Pipelines puts a task '<task>-driver' beside every task.
    """
    taken: set[str] = set()
    names: dict[tuple[str, str], str] = {}
    ordered = sorted(steps)
    for step in ordered:
        name = step.replace("_", "-")
        names[step, ""] = _free(f"{name}-step" if name.endswith("-driver") else name, taken)
    for role, among in (("each", sorted(foreaches)), *((role, ordered) for role in _ROLES)):
        names |= {(step, role): _free(f"{role}-{names[step, '']}", taken) for step in among}
    return TaskNames(names, {name: step for (step, _), name in names.items()})


def input_names(parameters: Iterable[str]) -> Mapping[str, str]:
    """Metaflow parameter -> pipeline input: letters, digits and underscores only, and none of our own inputs."""
    taken = {STEP_INPUT, ITEMS_INPUT, SPLITS_OUTPUT, CHOICE, AMONG_INPUT, ORIGIN_INPUT}
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
    name, number = wanted, 1
    while name in taken:
        number += 1
        name = f"{wanted}{number}"
    taken.add(name)
    return name
