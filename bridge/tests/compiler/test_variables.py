"""The variables of Metaflow's own pods, name by name: each is given to ours, or left out for a reason."""

import inspect
import re

import pytest
from metaflow import metaflow_config
from metaflow.plugins.argo.argo_workflows import ArgoWorkflows

from metaflow_extensions.tributary.plugins.kubeflow_pipelines import compat, variables
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.pod import boot

OF_ARGO = set(re.findall(r'"((?:METAFLOW|ARGO)_[A-Z0-9_]+)"', inspect.getsource(ArgoWorkflows._container_templates)))

# Argo's pods have one role for @secrets, Metaflow's default.
BEYOND_ARGO = {"METAFLOW_DEFAULT_SECRETS_ROLE"}


def test_every_variable_of_argos_pods_is_known_and_no_other() -> None:
    assert len(OF_ARGO) > 50
    assert set(variables.VARIABLES) == OF_ARGO | BEYOND_ARGO
    assert all(note for _, note in variables.VARIABLES.values())


@pytest.mark.parametrize("name", variables.settings())
def test_a_setting_of_the_deployer_reaches_the_record(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metaflow_config, name.removeprefix("METAFLOW_"), "as the deployer says")
    assert compat.shared_environment()[name] == "as the deployer says"


@pytest.mark.parametrize("name", variables.settings())
def test_a_setting_that_nobody_made_is_not_written(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metaflow_config, name.removeprefix("METAFLOW_"), None)
    assert name not in compat.shared_environment()


@pytest.mark.parametrize("prefix", variables.prefixes())
def test_all_settings_of_a_family_reach_the_record(prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compat, "config_values", lambda: [(f"{prefix}ANYTHING", 1), ("METAFLOW_OTHER", 2)])
    assert compat.shared_environment()[f"{prefix}ANYTHING"] == "1"
    assert "METAFLOW_OTHER" not in compat.shared_environment()


def test_the_init_script_is_in_the_command_only_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metaflow_config, "KUBERNETES_SANDBOX_INIT_SCRIPT", "export GREETING='{{x}} $(HOME)'")
    script = compat.init_script()
    assert script is not None
    command = boot.command(script)
    assert command[:2] == ["bash", "-c"] and command[3:] == boot.command()
    assert "{{" not in command[2] and "$(" not in command[2], "nobody on the way may replace a word of it"
    monkeypatch.setattr(metaflow_config, "KUBERNETES_SANDBOX_INIT_SCRIPT", None)
    assert compat.init_script() is None
