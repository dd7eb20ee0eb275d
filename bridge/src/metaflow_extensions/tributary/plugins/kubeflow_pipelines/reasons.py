"""How the steps of a run stand, and why one failed, out of the Argo workflow that Kubeflow Pipelines keeps for it."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Literal

from .names import TaskNames
from .pod.ids import task_id
from .pod.outputs import TOLD_TO_STOP
from .server import Run
from .shared_pods import Ended, Place, asked, before, failed, none_known

State = Literal["PENDING", "RUNNING", "SUCCEEDED", "FAILED", "SKIPPED"]

_STATES: Mapping[str, State] = {
    "Pending": "PENDING",
    "Running": "RUNNING",
    "Succeeded": "SUCCEEDED",
    "Failed": "FAILED",
    "Error": "FAILED",
    "Skipped": "SKIPPED",
    "Omitted": "SKIPPED",
}

# In a node's path: the split of a foreach, and at its end the attempt of a task with a retry policy.
_ITERATION = re.compile(r"iteration-iterations\((\d+):.*\)")
_ATTEMPT = re.compile(r"\((\d+)\)$")

# What is said of every pod that is about to start.
_ORDINARY = ("PodInitializing", "ContainerCreating")

# What Argo and Kubernetes say, and what it means. That a pod was deleted is Argo's to say: it says so of a pod that is
# gone before its end was seen. Of one whose end it saw there is the exit code, which does not tell who sent the signal.
_WORDS = (
    (re.compile(r"pod deleted"), "its pod was deleted while it ran"),
    (re.compile(r"OOMKilled"), "it was killed because it used more memory than it may (OOMKilled)"),
    (re.compile(r"Evicted|evicted|node was low on resource"), "its pod was evicted from its node"),
    (re.compile(r"imminent node shutdown|NodeShutdown"), "its node was shut down"),
    (re.compile(r"(ErrImagePull|ImagePullBackOff|InvalidImageName|ErrImageNeverPull)"), "its image cannot be pulled"),
    (re.compile(r"CreateContainerConfigError"), "what its container names is not there (CreateContainerConfigError)"),
    (re.compile(r"Unschedulable"), "no node can take its pod (Unschedulable)"),
    (re.compile(r"exit code 143"), "it was told to end by a signal from outside (SIGTERM, exit code 143)"),
    (re.compile(r"exit code 137"), "it was killed by a signal from outside (SIGKILL, exit code 137)"),
    (re.compile(r"exit code (\d+)"), r"its process ended with exit code \1"),
    # A pod with a deadline of its own, which only a step with @timeout has, is stopped by Kubernetes in these words.
    (
        re.compile(r"DeadlineExceeded|active on the node longer than the specified deadline"),
        "its pod was stopped long after its @timeout; it had not begun, or hung",
    ),
    # Argo's words for the end of a whole run.
    (re.compile(r"Step exceeded its deadline"), "it was stopped with its run"),
)


# What the runner leaves as the last word of a task, behind the exit code that Argo saw.
_LAST_WORD = re.compile(
    r"(?:main: )?(?P<reason>Error|OOMKilled) \(exit code (?P<code>\d+)\): \S+/\S+/\S+/\S+, attempt \d+: (?P<said>.+)",
    re.DOTALL,
)
# The launcher of Kubeflow Pipelines ends with 1 whatever the runner ended with, so only its word tells of a signal.
_SIGNALLED = "it was told to end by a signal from outside (SIGTERM)"


@dataclass(frozen=True)
class StepState:
    """One task of a step: its indexes in the foreaches around it, its state, and in words what is wrong with it."""

    step: str
    indexes: tuple[int, ...]
    state: State
    error: str | None

    @property
    def id(self) -> str:
        """The id of its Metaflow task."""
        return task_id(self.step, self.indexes)

    def __str__(self) -> str:
        return f"{self.step}{''.join(f'[{index}]' for index in self.indexes)}"


@dataclass(frozen=True)
class _Pod:
    """The tasks that a pod runs one after the other, and how it stands: the state as if it were its first task's."""

    tasks: Sequence[Place]
    stands: StepState
    message: str = ""

    @property
    def tells_all(self) -> bool:
        """Whether each of its tasks stands as the pod does."""
        return len(self.tasks) == 1 or self.stands.state in ("SUCCEEDED", "SKIPPED")


def step_states(
    run: Run,
    workflow: Mapping[str, Any] | None,
    names: TaskNames,
    ended: Ended = none_known,
    chains: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> list[StepState]:
    """The tasks of the run whose pods have begun, in that order. Of a step that follows itself the last round counts.

    Without the workflow, or with its nodes in Argo's database, only names and states are known; `chains` are the steps
    that share a pod, by the first of them. `ended` is asked, once, about the tasks in pods that run several.
    """
    if workflow is None or _in_database(workflow):
        pods = list(_without_workflow(run, names, chains))
    else:
        pods = list(_pods(workflow, names))
    unsure = [place for pod in pods if not pod.tells_all for place in pod.tasks]
    done = frozenset(ended(unsure)) if unsure else frozenset[Place]()
    found = {(state.step, state.indexes): state for pod in pods for state in _states_of(pod, done)}
    return list(found.values())


def run_error(run: Run, workflow: Mapping[str, Any] | None, states: Iterable[StepState]) -> str | None:
    """Why the run failed, in one line; None when it did not."""
    if run.state not in ("FAILED", "CANCELED"):
        return None
    if was_terminated(run, workflow):
        return "it was terminated"
    failed = [
        f"step {state} failed: {state.error or 'no reason is known'}" for state in states if state.state == "FAILED"
    ]
    if failed:
        return "; ".join(failed)
    status = (workflow or {}).get("status") or {}
    drivers = [node for node in (status.get("nodes") or {}).values() if _is_driver(node) and _state(node) == "FAILED"]
    if drivers:
        return f"Kubeflow Pipelines could not prepare it: {in_words(drivers[0].get('message') or 'no reason is known')}"
    return run.error or status.get("message") or "no reason is known"


def was_terminated(run: Run, workflow: Mapping[str, Any] | None) -> bool:
    """Whether somebody ended the run. 2.14 calls such a run failed; that it was ended stands in its workflow."""
    ended = ((workflow or {}).get("spec") or {}).get("activeDeadlineSeconds") == 0
    return run.state == "CANCELED" or (run.state == "FAILED" and ended)


def in_words(message: str) -> str:
    """Argo's message as a sentence's end, with the message itself where it says more."""
    match = _LAST_WORD.fullmatch(message)
    if match and match["said"] == TOLD_TO_STOP:
        return _SIGNALLED
    # What was killed for its memory was often a process of the runner's, which only knows that it ended.
    if match and match["reason"] != "OOMKilled":
        return f"{_line(match['said'])} (exit code {match['code']})"
    message = f"{match['reason']} (exit code {match['code']})" if match else message
    for pattern, words in _WORDS:
        if match := pattern.search(message):
            said = match.expand(words)
            more = re.sub(r"main:|exit code \d+|Error|\W", "", message.replace(match.group(), ""))
            return f"{said} ({_line(message)})" if more else said
    return _line(message)


def _pods(workflow: Mapping[str, Any], names: TaskNames) -> Iterator[_Pod]:
    """Those that run steps, in the order in which they began, and those that could not be prepared."""
    prefix = len(workflow["metadata"]["name"]) + 1
    nodes = ((workflow.get("status") or {}).get("nodes") or {}).values()
    retries = {node["name"]: node for node in nodes if node.get("type") == "Retry"}
    for node in sorted((node for node in nodes if node.get("type") == "Pod"), key=_began):
        place = _place(node["name"][prefix:], names)
        if place is None or (_is_driver(node) and _state(node) != "FAILED"):
            continue
        tasks = asked(node) or (place,)
        retry = retries.get(_ATTEMPT.sub("", node["name"]))
        yield _Pod(tasks, _state_of(node, tasks[0], retry), node.get("message") or "")


def _in_database(workflow: Mapping[str, Any]) -> bool:
    """Whether Argo keeps the nodes elsewhere, as it may be set to do with those of large workflows."""
    status = workflow.get("status") or {}
    return not status.get("nodes") and bool(status.get("offloadNodeStatusVersion"))


def _without_workflow(run: Run, names: TaskNames, chains: Mapping[str, Sequence[str]]) -> Iterator[_Pod]:
    """As far as Kubeflow Pipelines' own tasks tell: not in which split of a foreach."""
    for task in run.tasks:
        if (step := names.step(task.name)) is not None:
            tasks = [(each, ()) for each in chains.get(step, [step])]
            yield _Pod(tasks, StepState(step, (), _of_api(task.state), None))


def _states_of(pod: _Pod, ended: Collection[Place]) -> Iterator[StepState]:
    """Of each task in a pod. Of those behind one that failed nothing is said."""
    if pod.tells_all:
        yield from (replace(pod.stands, step=step, indexes=path) for step, path in pod.tasks)
        return
    done = set(ended)
    blamed = failed(pod.message)
    if blamed is not None and blamed in pod.tasks:
        done |= set(before(pod.tasks, blamed))
    else:
        blamed = next((place for place in pod.tasks if place not in done), pod.tasks[-1])
    for place in pod.tasks:
        if place == blamed:
            yield replace(pod.stands, step=place[0], indexes=place[1])
        elif place in done:
            yield StepState(*place, "SUCCEEDED", None)
        elif pod.stands.state != "FAILED":
            yield StepState(*place, "PENDING", None)


def _state_of(
    node: Mapping[str, Any], place: tuple[str, tuple[int, ...]], retry: Mapping[str, Any] | None
) -> StepState:
    state = _state(node)
    message = node.get("message") or ""
    error = in_words(message) if message else "no reason is known"
    if _is_driver(node):
        return StepState(*place, "FAILED", f"Kubeflow Pipelines could not prepare its pod: {error}")
    if state == "FAILED" and retry is not None and _state(retry) == "RUNNING":
        return StepState(*place, "RUNNING", f"an attempt failed and is tried again: {error}")
    if state == "FAILED" or (state == "PENDING" and message and message not in _ORDINARY):
        return StepState(*place, state, error)
    return StepState(*place, state, None)


def _place(path: str, names: TaskNames) -> tuple[str, tuple[int, ...]] | None:
    """Step and indexes of a node by its path in the workflow, or None when it belongs to no step."""
    task: str | None = None
    indexes: list[int] = []
    for part in path.split(".")[1:]:
        if match := _ITERATION.fullmatch(part):
            indexes.append(int(match.group(1)))
        else:
            task = names.step(part.removesuffix("-driver")) or task
    return (task, tuple(indexes)) if task else None


def _state(node: Mapping[str, Any]) -> State:
    return _STATES.get(node.get("phase") or "", "PENDING")


def _is_driver(node: Mapping[str, Any]) -> bool:
    return str(node.get("templateName", "")).endswith("-driver")


def _began(node: Mapping[str, Any]) -> str:
    return str(node.get("startedAt") or "9999")


def _of_api(state: str) -> State:
    match state:
        case "SUCCEEDED" | "FAILED" | "SKIPPED" | "RUNNING":
            return state
        case "ERROR":
            return "FAILED"
        case _:
            return "PENDING"


def _line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 300 else f"{line[:297]}..."
