"""Helm is pointed at one place, and what it says when it fails becomes sentences."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from playbooks.module_utils.helm_cli import Helm, HelmRefusal, complaints, merged, written


def test_each_breach_of_the_schema_is_a_sentence() -> None:
    stderr = """Error: values don't meet the specifications of the schema(s) in the following chart(s):
tributary:
- at '/database/port': got string, want integer
- at '/database': additional properties 'hots' not allowed

"""
    assert complaints(stderr) == [
        "Values at '/database/port': got string, want integer. Correct the values file.",
        "Values at '/database': additional properties 'hots' not allowed. Correct the values file.",
    ]


def test_what_a_chart_says_by_fail_comes_without_the_place_in_its_templates() -> None:
    stderr = "level=WARN msg=old\nError: execution error at (a/templates/b.yaml:1:4): values: lack a tag. Pass it.\n"
    assert complaints(stderr) == ["helm: values: lack a tag. Pass it."]


@pytest.mark.parametrize(("stderr", "said"), [("", "helm: failed without a word."), ("boom\n", "helm: boom.")])
def test_anything_else_is_passed_on(stderr: str, said: str) -> None:
    assert complaints(stderr) == [said]


def test_a_helm_that_is_not_there_is_named() -> None:
    with pytest.raises(HelmRefusal, match="'/nowhere/helm' cannot be started"):
        Helm("/nowhere/helm", "n").version()


def test_a_program_that_is_not_helm_is_named() -> None:
    with pytest.raises(HelmRefusal, match="'echo' does not give a version"):
        Helm("echo", "n").version()


def test_helm_is_pointed_at_one_context_and_sees_no_environment_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = tmp_path / "helm"
    recorder.write_text('#!/bin/sh\necho "$@"\nenv\n')
    recorder.chmod(0o700)
    monkeypatch.setenv("HELM_KUBECONTEXT", "another")
    monkeypatch.setenv("KUBECONFIG", "another")
    said = Helm(str(recorder), "n", "config", "mine").run("list")
    assert said.startswith("list --namespace n --kubeconfig config --kube-context mine\n")
    assert "another" not in said


def test_values_are_laid_over_each_other_as_helm_does() -> None:
    below = {"a": {"b": 1, "c": 2}, "list": [1, 2], "gone": 1, "plain": 1}
    above = {"a": {"c": 3}, "list": [3], "gone": None, "plain": {"now": "a mapping"}}
    assert merged(below, above) == {"a": {"b": 1, "c": 3}, "list": [3], "plain": {"now": "a mapping"}}


def test_mappings_become_files_in_the_same_order(tmp_path: Path) -> None:
    first, second, third = written(["first.yaml", {"a": 1}, "~/third.yaml"], tmp_path)
    assert (first, third) == ("first.yaml", str(Path.home() / "third.yaml"))
    assert yaml.safe_load(Path(second).read_text()) == {"a": 1}
