"""The interface of playbooks, roles and modules is written down, and what is written down is the interface."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from playbooks.module_utils.documented import arguments
from playbooks.tests.conftest import PLAYBOOKS

ROLES = sorted(path.name for path in (PLAYBOOKS / "roles").iterdir())
MODULES = sorted((PLAYBOOKS / "library").glob("*.py"))
GLOBAL = set(yaml.safe_load((PLAYBOOKS / "group_vars" / "all.yml").read_text()))


def read(role: str, name: str) -> Any:
    file = PLAYBOOKS / "roles" / role / name
    return yaml.safe_load(file.read_text()) if file.exists() else {}


def task_lists() -> list[tuple[str, list[dict[str, Any]]]]:
    files = sorted((PLAYBOOKS / "roles").glob("*/tasks/*.yml"))
    return [(str(file.relative_to(PLAYBOOKS)), yaml.safe_load(file.read_text())) for file in files]


TASKS = [pytest.param(task, id=f"{file}:{task['name']}") for file, tasks in task_lists() for task in tasks]


@pytest.mark.parametrize("role", ROLES)
def test_every_default_of_a_role_is_an_argument_with_a_description(role: str) -> None:
    specs = read(role, "meta/argument_specs.yml")["argument_specs"]
    options = {name: option for spec in specs.values() for name, option in spec["options"].items()}
    assert set(read(role, "defaults/main.yml")) <= set(options)
    assert [name for name, option in options.items() if not option.get("description")] == []


@pytest.mark.parametrize("role", ROLES)
def test_every_entry_of_a_role_has_a_spec(role: str) -> None:
    entries = {file.stem for file in (PLAYBOOKS / "roles" / role / "tasks").glob("*.yml")}
    assert set(read(role, "meta/argument_specs.yml")["argument_specs"]) == entries


@pytest.mark.parametrize("role", ROLES)
def test_every_variable_of_a_role_begins_with_its_name(role: str) -> None:
    names = set(read(role, "defaults/main.yml")) | set(read(role, "vars/main.yml"))
    for file, tasks in task_lists():
        if file.startswith(f"roles/{role}/"):
            for task in tasks:
                names |= set(task.get("vars", {})) | set(task.get("ansible.builtin.set_fact", {}))
                names |= {task["register"]} if "register" in task else set()
    assert [name for name in names if not name.startswith(f"{role}_")] == []


def test_every_variable_of_the_playbooks_is_used_and_every_used_one_is_there() -> None:
    files = [*PLAYBOOKS.glob("*.yml"), *PLAYBOOKS.glob("roles/**/*.yml"), *PLAYBOOKS.glob("group_vars/*.yml")]
    text = "\n".join(re.sub(r"^tributary_\w+:", "", file.read_text(), flags=re.MULTILINE) for file in files)
    used = set(re.findall(r"\btributary_[a-z_]+\b", text))
    assert used == GLOBAL


@pytest.mark.parametrize("task", TASKS)
def test_a_task_hides_nothing_and_survives_nothing(task: dict[str, Any]) -> None:
    """Values stay inside modules, so no task has to hide why it failed; and none is excused from check mode."""
    assert not {"no_log", "ignore_errors", "failed_when", "check_mode"} & set(task)
    assert not {"ansible.builtin.command", "ansible.builtin.shell"} & set(task)


@pytest.mark.parametrize("task", TASKS)
def test_a_yes_or_no_may_be_given_as_a_word(task: dict[str, Any]) -> None:
    """`--extra-vars name=false` gives text, which Ansible takes for no condition."""
    assert not re.fullmatch(r"(not )?[a-z_]+", str(task.get("when", "")))


@pytest.mark.parametrize("task", TASKS)
def test_every_task_that_asks_a_cluster_names_kubeconfig_and_context(task: dict[str, Any]) -> None:
    for file in MODULES:
        if file.stem in task and "context" in options_of(file):
            assert {"kubeconfig", "context"} <= set(task[file.stem])


@pytest.mark.parametrize("module", MODULES, ids=lambda file: str(file.stem))
def test_every_option_of_a_module_is_described(module: Path) -> None:
    documented = yaml.safe_load(documentation(module))
    assert documented["module"] == module.stem
    assert [name for name, option in documented["options"].items() if not option.get("description")] == []


def test_a_spec_is_what_is_documented_without_the_words() -> None:
    text = """
options:
  a: {description: One., type: str, required: true}
  b: {description: Two., type: list, elements: dict, options: {c: {description: Three., type: int, default: 1}}}
"""
    assert arguments(text) == {
        "a": {"type": "str", "required": True},
        "b": {"type": "list", "elements": "dict", "options": {"c": {"type": "int", "default": 1}}},
    }


@pytest.mark.slow
@pytest.mark.parametrize("playbook", ["install.yml", "uninstall.yml"])
def test_ansible_understands_every_line(playbook: str, tmp_path: Path) -> None:
    program = Path(sys.executable).parent / "ansible-playbook"
    environment = {**os.environ, "ANSIBLE_CONFIG": str(PLAYBOOKS / "ansible.cfg"), "ANSIBLE_HOME": str(tmp_path)}
    done = subprocess.run(
        [str(program), "--syntax-check", playbook],
        cwd=PLAYBOOKS,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.long
def test_ansible_lint_finds_nothing_in_its_strictest_profile(tmp_path: Path) -> None:
    program = Path(sys.executable).parent / "ansible-lint"
    assert program.exists(), "ansible-lint is not beside this Python. `make .venv/READY` installs it."
    environment = {
        **os.environ,
        "ANSIBLE_CONFIG": str(PLAYBOOKS / "ansible.cfg"),
        "ANSIBLE_HOME": str(tmp_path),
        "PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}",
    }
    command = [str(program), "--offline", "--profile", "production", "--nocolor"]
    done = subprocess.run(
        [*command, "install.yml", "uninstall.yml", "roles"],
        cwd=PLAYBOOKS,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def documentation(module: Path) -> str:
    return str(importlib.import_module(f"playbooks.library.{module.stem}").DOCUMENTATION)


def options_of(module: Path) -> set[str]:
    return set(yaml.safe_load(documentation(module))["options"])
