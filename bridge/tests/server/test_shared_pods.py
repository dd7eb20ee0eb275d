"""Pods that run several tasks: how each task stands, out of a node as Argo 3.7 and Kubeflow Pipelines 2.14 write it."""

import json
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

import pytest

from bridge.tests.server.test_reasons import STEPS, node, run, workflow
from metaflow_extensions.tributary.plugins.kubeflow_pipelines import reasons
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.reasons import StepState
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.server import Task
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.shared_pods import (
    Place,
    asked,
    failed,
    in_datastore,
    none_known,
)

LAST_WORD = "main: Error (exit code 1): TestFlow/kfp-1/fit/t-fit, attempt 0: ValueError: no"


def shared(phase: str, message: str = "", step: str = "start,fit,end", **indexes: str) -> dict[str, Any]:
    """A pod that was handed these inputs."""
    handed = {"inputs": {"parameterValues": {"step": step, **indexes}}}
    command = ["/kfp-launcher/launch", "--execution_id", "7", "--executor_input", json.dumps(handed), "--"]
    patch = json.dumps({"containers": [{"name": "main", "command": command, "args": ["python3"]}]})
    inputs = {"parameters": [{"name": "pod-spec-patch", "value": patch}]}
    return {**node("root.start.executor", phase, message), "inputs": inputs}


def states(pod: dict[str, Any], *ended: Place) -> list[StepState]:
    def know(places: Sequence[Place]) -> Collection[Place]:
        return set(places) & set(ended)

    return reasons.step_states(run("RUNNING"), workflow(pod), STEPS, know if ended else none_known)


def test_a_pod_says_which_tasks_it_was_asked_for() -> None:
    assert asked(shared("Running")) == (("start", ()), ("fit", ()), ("end", ()))
    assert asked(shared("Running", step="fit,fit_all", i0="4", i1="1:3")) == (
        ("fit", (4, 1)),
        ("fit_all", (4, 1)),
        ("fit", (4, 2)),
        ("fit_all", (4, 2)),
    )
    assert asked(node("root.start-driver", "Running")) == ()
    assert asked({**shared("Running"), "inputs": {"parameters": [{"name": "pod-spec-patch", "value": ""}]}}) == ()


def test_a_chain_that_ended_well_shows_each_of_its_steps() -> None:
    assert [str(state) for state in states(shared("Succeeded"))] == ["start", "fit", "end"]
    assert {state.state for state in states(shared("Succeeded"))} == {"SUCCEEDED"}


def test_the_last_word_of_a_pod_says_which_step_failed_and_which_had_ended() -> None:
    assert failed(LAST_WORD) == ("fit", ())
    assert states(shared("Failed", LAST_WORD)) == [
        StepState("start", (), "SUCCEEDED", None),
        StepState("fit", (), "FAILED", "ValueError: no (exit code 1)"),
    ]


def test_a_pod_that_vanished_failed_in_the_first_step_that_the_datastore_does_not_know() -> None:
    assert states(shared("Failed", "pod deleted"), ("start", ())) == [
        StepState("start", (), "SUCCEEDED", None),
        StepState("fit", (), "FAILED", "its pod was deleted while it ran"),
    ]


def test_a_running_chain_shows_what_the_datastore_knows() -> None:
    assert states(shared("Running"), ("start", ())) == [
        StepState("start", (), "SUCCEEDED", None),
        StepState("fit", (), "RUNNING", None),
        StepState("end", (), "PENDING", None),
    ]


def test_the_datastore_is_asked_once_about_all_pods_that_are_not_done() -> None:
    questions: list[Sequence[Place]] = []

    def know(places: Sequence[Place]) -> Collection[Place]:
        questions.append(places)
        return {("fit", (0,)), ("fit", (2,))}

    batches = [
        {**shared("Running", step="fit", i0=items), "name": f"some.flow-abcde.root.fit.{number}.executor"}
        for number, items in enumerate(("0:2", "2:4"))
    ]
    pods = workflow(shared("Succeeded", step="start,end"), *batches)
    found = reasons.step_states(run("RUNNING"), pods, STEPS, know)
    assert questions == [[("fit", (0,)), ("fit", (1,)), ("fit", (2,)), ("fit", (3,))]]
    assert [(str(state), state.state) for state in found[2:]] == [
        ("fit[0]", "SUCCEEDED"),
        ("fit[1]", "RUNNING"),
        ("fit[2]", "SUCCEEDED"),
        ("fit[3]", "RUNNING"),
    ]


def test_a_second_pod_of_a_chain_shows_what_the_first_left() -> None:
    """The first ended at fit; the second goes on there, and what it has not begun is not shown as failed."""
    first = {**shared("Failed", LAST_WORD), "name": "some.flow-abcde.root.start.executor(0)"}
    second = {**shared("Running"), "name": "some.flow-abcde.root.start.executor(1)"}
    retry = {**node("root.start.executor", "Running", kind="Retry")}
    found = reasons.step_states(run("RUNNING"), workflow(retry, first, second), STEPS, lambda places: {("start", ())})
    assert [(state.step, state.state) for state in found] == [
        ("start", "SUCCEEDED"),
        ("fit", "RUNNING"),
        ("end", "PENDING"),
    ]


@pytest.mark.parametrize(
    ("state", "ended", "wanted"),
    [
        ("SUCCEEDED", (), ["SUCCEEDED", "SUCCEEDED", "SUCCEEDED"]),
        ("RUNNING", ("start",), ["SUCCEEDED", "RUNNING", "PENDING"]),
        ("FAILED", ("start",), ["SUCCEEDED", "FAILED"]),
        ("PENDING", (), ["PENDING", "PENDING", "PENDING"]),
    ],
)
def test_without_the_workflow_the_deployed_pipeline_says_what_shares_a_pod(
    state: str, ended: tuple[str, ...], wanted: list[str]
) -> None:
    of_server = replace(run("RUNNING"), tasks=(Task("start", state),))
    chain = {"start": ["start", "fit", "end"]}
    found = reasons.step_states(of_server, None, STEPS, lambda places: [(step, ()) for step in ended], chain)
    assert [each.state for each in found] == wanted
    assert [each.step for each in found] == ["start", "fit", "end"][: len(wanted)]


def test_a_batch_blames_the_split_that_failed_and_not_those_before_it() -> None:
    word = "main: Error (exit code 1): TestFlow/kfp-1/fit/t-fit-5, attempt 0: ValueError: no (and 1 more of its batch)"
    found = states(shared("Failed", word, step="fit", i0="4:8"), ("fit", (4,)))
    assert [(str(state), state.state) for state in found] == [("fit[4]", "SUCCEEDED"), ("fit[5]", "FAILED")]


def test_the_datastore_is_asked_by_ids() -> None:
    def look(tasks: Sequence[tuple[str, str, str]]) -> Collection[tuple[str, str, str]]:
        assert list(tasks) == [("kfp-1", "fit", "t-fit-4"), ("kfp-1", "fit", "t-fit-5")]
        return {tasks[1]}

    assert in_datastore("kfp-1", look)([("fit", (4,)), ("fit", (5,))]) == {("fit", (5,))}
