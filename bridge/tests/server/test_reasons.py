"""Why a step failed, out of workflows as Kubeflow Pipelines 2.14 and Argo write them."""

from typing import Any

import pytest

from metaflow_extensions.tributary.plugins.kubeflow_pipelines import reasons
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.names import task_names
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.reasons import StepState
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.server import Run, Task

STEPS = task_names(["start", "fit", "fit_all", "end"], ["start"])
WORKFLOW = "some.flow-abcde"
EXECUTOR = "system-container-impl"
DRIVER = "system-container-driver"


def run(state: str) -> Run:
    tasks = (Task("start", "SUCCEEDED"), Task("root-driver", "SUCCEEDED"))
    return Run("1", "name", state, None, "pipeline-1", "version-1", tasks)


def node(path: str, phase: str, message: str = "", kind: str = "Pod", template: str = EXECUTOR) -> dict[str, Any]:
    return {"name": f"{WORKFLOW}.{path}", "phase": phase, "message": message, "type": kind, "templateName": template}


def workflow(*nodes: dict[str, Any]) -> dict[str, Any]:
    known = {str(number): {**each, "startedAt": f"2026-01-01T00:00:{number:02}Z"} for number, each in enumerate(nodes)}
    return {"metadata": {"name": WORKFLOW}, "status": {"nodes": known}}


def states(*nodes: dict[str, Any]) -> list[StepState]:
    return reasons.step_states(run("RUNNING"), workflow(*nodes), STEPS)


def test_a_step_is_known_by_its_task_and_its_indexes() -> None:
    assert states(
        node("root-driver", "Succeeded", template="system-dag-driver"),
        node("root.start-driver", "Succeeded", template=DRIVER),
        node("root.start.executor", "Succeeded"),
        node("root.each-start.iteration-driver", "Succeeded", template="system-dag-driver"),
        node("root.each-start.iteration-iterations(1:1).iteration-item.fit-all.executor", "Running"),
        node(
            "root.each-start.iteration-iterations(1:1).iteration-item.fit.iteration-iterations(0:0).iteration-item.executor",
            "Pending",
        ),
    ) == [
        StepState("start", (), "SUCCEEDED", None),
        StepState("fit_all", (1,), "RUNNING", None),
        StepState("fit", (1, 0), "PENDING", None),
    ]


def test_a_step_on_several_ways_and_in_its_last_round_is_known() -> None:
    """Copies, arms and rounds of pods are named so that they say their step."""
    assert states(
        node("root.switch-start-driver", "Succeeded", template="system-dag-driver"),
        node("root.switch-start.arm-fit.fit-x2.executor", "Succeeded"),
        node("root.rounds-fit-all.fit-all.executor", "Succeeded"),
        node("root.rounds-fit-all.again-fit-all.fit-all.executor", "Succeeded"),
        node("root.rounds-fit-all.again-fit-all.again-fit-all.fit-all.executor", "Failed", "OOMKilled"),
        node("root.switch-end.arm-end-driver", "Failed", "Error (exit code 1)", template="system-dag-driver"),
    ) == [
        StepState("fit", (), "SUCCEEDED", None),
        StepState("fit_all", (), "FAILED", "it was killed because it used more memory than it may (OOMKilled)"),
        StepState(
            "end", (), "FAILED", "Kubeflow Pipelines could not prepare its pod: its process ended with exit code 1"
        ),
    ]


def test_the_last_attempt_counts() -> None:
    retry = node("root.fit.executor", "Succeeded", kind="Retry")
    failed = node("root.fit.executor(0)", "Failed", "Error (exit code 1)")
    assert states(retry, failed, node("root.fit.executor(1)", "Succeeded")) == [StepState("fit", (), "SUCCEEDED", None)]


def test_a_step_between_two_attempts_runs() -> None:
    retry = node("root.fit.executor", "Running", kind="Retry")
    (state,) = states(retry, node("root.fit.executor(0)", "Failed", "Error (exit code 1)"))
    assert state.state == "RUNNING"
    assert state.error == "an attempt failed and is tried again: its process ended with exit code 1"


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ("pod deleted", "its pod was deleted while it ran"),
        ("OOMKilled (exit code 137)", "it was killed because it used more memory than it may (OOMKilled)"),
        (
            "main: Error (exit code 3): TestFlow/kfp-1/fit/t-1, attempt 0: ValueError: no",
            "ValueError: no (exit code 3)",
        ),
        ("main: Error (exit code 3): cannot start", "its process ended with exit code 3 (main: Error"),
        ("Step exceeded its deadline", "it was stopped with its run"),
        (
            "Pod was active on the node longer than the specified deadline",
            "its pod was stopped long after its @timeout; it had not begun, or hung",
        ),
        ("main: Error (exit code 143)", "it was told to end by a signal from outside (SIGTERM, exit code 143)"),
        ("main: Error (exit code 137)", "it was killed by a signal from outside (SIGKILL, exit code 137)"),
        (
            "main: Error (exit code 1): TestFlow/kfp-1/fit/t-1, attempt 0: the pod was told to stop",
            "it was told to end by a signal from outside (SIGTERM)",
        ),
        (
            "main: Evicted (exit code 1): F/kfp-1/fit/t-1, attempt 0: ended by SIGKILL",
            "its pod was evicted from its node",
        ),
        ("main: OOMKilled (exit code 137)", "it was killed because it used more memory than it may (OOMKilled)"),
        ("ErrImagePull: manifest unknown", "its image cannot be pulled (ErrImagePull: manifest unknown)"),
        (
            'Pod failed before main container starts due to ImagePullBackOff: Back-off pulling image "none:1"',
            "its image cannot be pulled (Pod failed before main container starts",
        ),
        (
            "The node was low on resource: memory. Threshold quantity: 100Mi, available: 90Mi.",
            "its pod was evicted from its node (The node was low on resource: memory.",
        ),
        ("Pod was terminated in response to imminent node shutdown.", "its node was shut down"),
        ("pod failed: main container did not complete successfully", "pod failed: main container"),
    ],
)
def test_a_reason_is_said_in_words(message: str, words: str) -> None:
    (state,) = states(node("root.fit.executor", "Error", message))
    assert state.state == "FAILED"
    assert str(state.error).startswith(words)


@pytest.mark.parametrize("last_word", ["", ": TestFlow/kfp-1/fit/t-1, attempt 0: ended by SIGKILL"])
def test_of_what_was_killed_for_its_memory_nothing_else_is_said(last_word: str) -> None:
    (state,) = states(node("root.fit.executor", "Failed", f"main: OOMKilled (exit code 1){last_word}"))
    assert state.error == "it was killed because it used more memory than it may (OOMKilled)"


def test_an_image_that_cannot_be_pulled_is_said_while_the_pod_waits() -> None:
    (state,) = states(node("root.fit.executor", "Pending", "ImagePullBackOff: Back-off pulling image"))
    assert (state.state, str(state.error).split(" (")[0]) == ("PENDING", "its image cannot be pulled")


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ("Unschedulable: 0/1 nodes are available: 1 Insufficient memory.", "no node can take its pod"),
        ('CreateContainerConfigError: secret "steps" not found', "what its container names is not there"),
        ("ErrImageNeverPull: not present with pull policy of Never", "its image cannot be pulled"),
    ],
)
def test_what_a_pod_waits_for_in_vain_is_said(message: str, words: str) -> None:
    (state,) = states(node("root.fit.executor", "Pending", message))
    assert state.state == "PENDING"
    assert str(state.error).startswith(words) and message.split(": ", 1)[1] in str(state.error)


def test_only_argo_says_that_a_pod_was_deleted() -> None:
    """An exit code does not tell who sent the signal."""
    for code in (137, 143):
        assert "deleted" not in reasons.in_words(f"main: Error (exit code {code})")
    assert reasons.in_words("pod deleted") == "its pod was deleted while it ran"


@pytest.mark.parametrize("message", ["PodInitializing", "ContainerCreating"])
def test_a_pod_that_starts_as_every_pod_does_is_no_trouble(message: str) -> None:
    assert states(node("root.fit.executor", "Pending", message)) == [StepState("fit", (), "PENDING", None)]


def test_a_driver_shows_only_when_it_failed() -> None:
    where = "root.each-start.iteration-iterations(2:2).iteration-item.fit-driver"
    assert states(node(where, "Running", template=DRIVER)) == []
    (state,) = states(node(where, "Failed", "Error (exit code 1)", template=DRIVER))
    assert str(state) == "fit[2]"
    assert str(state.error).startswith("Kubeflow Pipelines could not prepare its pod: its process ended with")


def test_the_run_fails_for_the_reasons_of_its_steps() -> None:
    found = workflow(node("root.fit.executor", "Error", "pod deleted"))
    steps = reasons.step_states(run("FAILED"), found, STEPS)
    assert reasons.run_error(run("FAILED"), found, steps) == "step fit failed: its pod was deleted while it ran"
    assert reasons.run_error(run("CANCELED"), found, steps) == "it was terminated"
    assert reasons.run_error(run("SUCCEEDED"), found, steps) is None


def test_a_run_that_somebody_ended_is_told_from_one_that_failed() -> None:
    ended = {**workflow(), "spec": {"activeDeadlineSeconds": 0}}
    assert reasons.was_terminated(run("FAILED"), ended)
    assert reasons.run_error(run("FAILED"), ended, []) == "it was terminated"
    assert not reasons.was_terminated(run("FAILED"), workflow())
    assert not reasons.was_terminated(run("SUCCEEDED"), ended)


def test_a_driver_of_no_step_is_a_reason_too() -> None:
    found = workflow(node("root-driver", "Failed", "main: Error (exit code 1)", template="system-dag-driver"))
    steps = reasons.step_states(run("FAILED"), found, STEPS)
    said = reasons.run_error(run("FAILED"), found, steps)
    assert said == "Kubeflow Pipelines could not prepare it: its process ended with exit code 1"


def test_without_a_failed_step_the_workflow_says_why() -> None:
    found = {**workflow(), "status": {"nodes": {}, "message": "workflow shutdown"}}
    assert reasons.run_error(run("FAILED"), found, []) == "workflow shutdown"


def test_without_the_workflow_names_and_states_are_left() -> None:
    assert reasons.step_states(run("SUCCEEDED"), None, STEPS) == [StepState("start", (), "SUCCEEDED", None)]
