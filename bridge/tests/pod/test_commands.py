"""The command lines that Metaflow gets, from a record."""

from dataclasses import replace
from pathlib import Path

import pytest

from bridge.tests.pod.small_kubeflow import FLOWS, describe
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.pod import commands
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.pod.attempts import Attempt
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.pod.inputs import TaskPlace
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.record import Deployment


@pytest.fixture
def deployment(tmp_path: Path) -> Deployment:
    return describe(FLOWS / "linear_flow.py", tmp_path, tags=("nightly",))


def step(deployment: Deployment, split: int | None = None) -> list[str]:
    return commands.step(deployment, "kfp-1", TaskPlace("sort_the_numbers", (4,)), Attempt(1, 2), "/tmp/in", split)


def test_a_step_is_told_all_that_metaflow_wants_to_know(deployment: Deployment) -> None:
    argv = step(deployment, split=4)
    assert argv[0] == "linear_flow.py"
    assert argv[argv.index("step") + 1 :] == [
        "sort_the_numbers",
        "--run-id=kfp-1",
        "--task-id=t-sort_the_numbers-4",
        "--retry-count=1",
        "--max-user-code-retries=2",
        "--input-paths-filename=/tmp/in",
        "--split-index=4",
        "--tag=nightly",
    ]
    assert "--with=kubeflow_pipelines_internal" in argv[: argv.index("step")]


def test_decorators_from_the_command_line_and_options_of_flow_decorators_are_passed_on(deployment: Deployment) -> None:
    steps = {name: replace(record, decospecs=("retry:times=2",)) for name, record in deployment.steps.items()}
    argv = step(replace(deployment, steps=steps, options=("--branch", "test"), namespace="user:ada"))
    before, after = argv[: argv.index("step")], argv[argv.index("step") :]
    assert "--with=retry:times=2" in before
    assert before[-2:] == ["--branch", "test"]
    assert "--namespace=user:ada" in after
    assert not [word for word in after if word.startswith("--split-index")]


def test_init_is_given_the_decorators_of_all_steps_once(deployment: Deployment) -> None:
    specs = {"start": ("retry:times=2",), "end": ("traced", "retry:times=2")}
    steps = {name: replace(record, decospecs=specs.get(name, ())) for name, record in deployment.steps.items()}
    argv = commands.init(replace(deployment, steps=steps), "kfp-1", {})
    assert sorted(word for word in argv if word.startswith("--with=")) == ["--with=retry:times=2", "--with=traced"]


def test_parameters_go_to_init_as_their_values(deployment: Deployment) -> None:
    argv = commands.init(deployment, "kfp-1", {"x": "--y {{z}}", "learning-rate": ""})
    assert argv[-2:] == ["--x=--y {{z}}", "--learning-rate="]


def test_no_variable_of_a_step_can_hide_what_the_pod_is(deployment: Deployment) -> None:
    record = replace(deployment.steps["start"], environment={"METAFLOW_RUN_ID": "other", "COLOUR": "blue"})
    found = commands.environment(replace(deployment, steps={"start": record}), "start", "kfp-1")
    assert found["METAFLOW_RUN_ID"] == "kfp-1"
    assert found["COLOUR"] == "blue"
    assert "METAFLOW_PRODUCTION_TOKEN" not in found
