"""What --environment makes of a step: Metaflow's own commands and interpreter, whatever the attributes."""

# mypy: disable-error-code="untyped-decorator"
# Metaflow's decorators have no types.

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from metaflow import FlowSpec, conda, kubernetes, metaflow_config, pypi, step
from metaflow.metaflow_environment import MetaflowEnvironment
from metaflow.plugins import ENVIRONMENTS
from metaflow.plugins.pypi.conda_decorator import CondaStepDecorator
from metaflow.plugins.pypi.conda_environment import CondaEnvironment
from metaflow.plugins.pypi.pypi_environment import PyPIEnvironment
from metaflow.plugins.uv.uv_environment import UVEnvironment

from metaflow_extensions.tributary.plugins.kubeflow_pipelines import compat, support


def state(environment: type[MetaflowEnvironment], decorate: Any, tmp_path: Path) -> Any:
    """A flow of one step with the decorator, as far as Metaflow's environments look at it."""

    class OneStepFlow(FlowSpec):  # type: ignore[misc]
        @kubernetes
        @decorate
        @step
        def start(self) -> None:
            pass

    flow = OneStepFlow(use_cli=False)
    made = environment(flow)
    made.validate_environment(lambda *_, **__: None, "s3")
    made.local_root = str(tmp_path)
    (only,) = flow
    if environment is not UVEnvironment:
        if not any(each.name == "conda" for each in only.decorators):
            only.decorators.insert(0, CondaStepDecorator())
        for each in only.decorators:
            each.external_init()
            if each.name in ("conda", "pypi"):
                each.step_init(flow, None, "start", only.decorators, made, None, lambda *_, **__: None)
    return SimpleNamespace(flow=flow, environment=made, flow_datastore=SimpleNamespace(TYPE="s3"))


@pytest.fixture(autouse=True)
def _packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metaflow_config, "CONDA_PACKAGE_S3ROOT", "s3://bucket/conda", raising=False)


def test_every_environment_of_metaflow_is_known() -> None:
    assert {each.TYPE for each in (*ENVIRONMENTS, MetaflowEnvironment)} == set(support.ENVIRONMENTS)


@pytest.mark.parametrize("environment", [CondaEnvironment, PyPIEnvironment])
@pytest.mark.parametrize("decorate", [conda(packages={"numpy": "2.0"}), pypi(packages={"numpy": "2.0"})])
def test_the_commands_are_metaflows_own(environment: Any, decorate: Any, tmp_path: Path) -> None:
    found = state(environment, decorate, tmp_path)
    interpreter, commands = compat.interpreter(found, "start", None)
    assert list(commands) == found.environment.bootstrap_commands("start", "s3")
    assert interpreter == found.environment.executable("start")
    assert interpreter is not None and interpreter.startswith("$MF_ARCH/") and interpreter.endswith("/bin/python -s")
    assert any("metaflow.plugins.pypi.bootstrap" in command for command in commands)


@pytest.mark.parametrize(
    ("decorator", "attributes"),
    [
        (conda, {"packages": {"numpy": "2.0"}}),
        (conda, {"libraries": {"numpy": "2.0"}}),
        (conda, {"python": "3.12.1"}),
        (pypi, {"packages": {"numpy": "2.0"}}),
        (pypi, {"python": "3.12.1"}),
    ],
)
def test_every_attribute_makes_another_environment(decorator: Any, attributes: Any, tmp_path: Path) -> None:
    usual = compat.interpreter(state(CondaEnvironment, decorator(), tmp_path), "start", None)
    other = compat.interpreter(state(CondaEnvironment, decorator(**attributes), tmp_path), "start", None)
    assert usual[0] != other[0]
    assert usual[1] != other[1]


@pytest.mark.parametrize("decorator", [conda, pypi])
def test_a_step_without_an_environment_is_run_by_the_containers_own_python(decorator: Any, tmp_path: Path) -> None:
    found = state(CondaEnvironment, decorator(disabled=True), tmp_path)
    assert compat.interpreter(found, "start", None) == (None, ())


def test_uv_is_called_as_metaflow_calls_it(tmp_path: Path) -> None:
    found = state(UVEnvironment, lambda function: function, tmp_path)
    interpreter, commands = compat.interpreter(found, "start", None)
    assert interpreter == "uv run --no-sync python"
    assert list(commands) == found.environment.bootstrap_commands("start", "s3")


def test_an_interpreter_that_kubernetes_names_is_taken(tmp_path: Path) -> None:
    found = state(UVEnvironment, lambda function: function, tmp_path)
    found.environment = MetaflowEnvironment(found.flow)
    assert compat.interpreter(found, "start", None) == (None, ())
    assert compat.interpreter(found, "start", "/opt/other/bin/python") == ("/opt/other/bin/python", ())
