import re
from itertools import islice

import pytest

from metaflow_extensions.tributary.plugins.kubeflow_pipelines import names
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.refusals import Refused


@pytest.mark.parametrize(
    ("flow", "pipeline"), [("DigitsFlow", "digitsflow"), ("Foo_Bar2", "foobar2"), ("_Hidden", "hidden")]
)
def test_a_pipeline_is_named_after_its_flow(flow: str, pipeline: str) -> None:
    assert names.pipeline_name(flow, None) == pipeline


@pytest.mark.parametrize("given", ["Upper", "under_score", "-dash", "dash-", "", "1st"])
def test_a_name_that_kubernetes_could_not_use_is_refused_with_the_name_in_it(given: str) -> None:
    with pytest.raises(Refused) as refused:
        names.pipeline_name("Flow", given)
    assert repr(given) in str(refused.value.message)


def test_inside_a_spec_a_name_has_no_dots() -> None:
    name = names.project_pipeline_name("bridge_tests", "user.ada", "ProjectFlow")
    assert name == "bridge-tests.user.ada.projectflow"
    assert re.fullmatch("[a-z0-9][a-z0-9-]{0,127}", names.spec_name(name))


def test_a_name_is_refused_rather_than_cut() -> None:
    names.pipeline_name("Flow", "x" * 45)
    with pytest.raises(Refused, match="46 characters, 45 is the most"):
        names.pipeline_name("Flow", "x" * 46)


def test_a_step_never_meets_the_driver_of_another() -> None:
    known = names.task_names(["train", "train_driver", "train_driver_step"])
    tasks = {known.name(step) for step in ("train", "train_driver", "train_driver_step")}
    assert not {f"{task}-driver" for task in tasks} & tasks
    assert len(tasks) == 3


@pytest.mark.parametrize("role", ["each", "switch", "arm", "rounds", "again", "left"])
def test_what_stands_around_a_step_never_meets_a_step(role: str) -> None:
    known = names.task_names([f"{role}_fan", "fan"], ["fan", f"{role}_fan"])
    assert known.name("fan", role) not in {known.name("fan"), known.name(f"{role}_fan")}
    assert known.step(known.name("fan", role)) == "fan"
    assert known.step(known.name(f"{role}_fan")) == f"{role}_fan"


def test_a_copy_of_a_task_never_meets_a_step_and_is_known_by_its_step() -> None:
    known = names.task_names(["fan", "fan_x2", "fan_x4"])
    copies = list(islice(known.names_of_copies("fan"), 3))
    assert copies == ["fan", "fan-x3", "fan-x5"]
    assert [known.step(copy) for copy in copies] == ["fan"] * 3
    assert known.step("fan-x2") == "fan_x2"
    assert known.step("other") is None


def test_inputs_keep_apart_from_each_other_and_from_ours() -> None:
    inputs = names.input_names(
        ["learning-rate", "learning_rate", "step", "items", "splits", "choice", "i0", "i12", "alpha"]
    )
    assert len(set(inputs.values())) == len(inputs)
    assert not set(inputs.values()) & {"step", "items", "splits", "choice", "i0", "i12"}
    assert inputs["alpha"] == "alpha"


@pytest.mark.parametrize("given", ["kfp-1b2c", "1b2c", "DigitsFlow/kfp-1b2c"])
def test_a_run_is_known_by_any_of_its_names(given: str) -> None:
    assert names.kubeflow_run_id(given) == "1b2c"


def test_a_project_names_the_pipeline() -> None:
    assert names.project_pipeline_name("demo", "prod", "TrainFlow") == "demo.prod.trainflow"
    assert names.project_pipeline_name("my_demo", "test.new_model", "Train") == "my-demo.test.new-model.train"


PROJECTS = [
    ("demo", "user.alice", "A" * 60),
    ("demo", "user.alice", "A" * 61),
    ("d" * 128, "prod." + "b" * 128, "TrainFlow"),
    ("d" * 128, "prod." + "b" * 127, "TrainFlow"),
    ("2024", "prod", "TrainFlow"),
    ("_", "user.alice@example.org", "_Hidden"),
    ("_", "user.alice+example.org", "_Hidden"),
    ("demo_", "prod", "TrainFlow"),
    ("_", "_", "_"),
]


def test_what_kubernetes_could_not_have_is_told_apart_by_a_hash() -> None:
    made = [names.project_pipeline_name(*each) for each in PROJECTS]
    assert len(set(made)) == len(PROJECTS)
    for name in made:
        assert len(name) <= names.LONGEST_PIPELINE_NAME
        assert re.fullmatch(r"[a-z]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*", name), name
