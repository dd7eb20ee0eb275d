"""What is wrong with Helm, the values and the name is found before any cluster is asked, all at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from playbooks.library.chart_check import storage_classes, version_problem
from playbooks.tests.conftest import ROOT, Run

IMAGES = {
    component: {"image": {"repository": f"localhost/tributary/{component.lower()}", "tag": "0123456789ab"}}
    for component in ("database", "objectStore", "metadataService", "ui", "setup", "taskBase")
}


@pytest.fixture
def arguments(helm: str) -> dict[str, Any]:
    chart = ROOT / "charts" / "tributary"
    return {
        "helm": helm,
        "minimum_helm": "3.14",
        "kubernetes": "1.30",
        "name": "tributary",
        "namespace": "n",
        "chart": str(chart),
        "values": [str(chart / "profiles" / "kind.yaml"), IMAGES],
    }


def test_good_values_have_no_problems_and_say_what_would_be_made(run: Run, arguments: dict[str, Any]) -> None:
    result = run("chart_check", **arguments)
    assert result["problems"] == []
    assert {"api_version": "apps/v1", "kind": "StatefulSet"} in result["kinds"]
    assert result["storage_classes"] == [""]
    assert result["values"]["exposure"]["nodePorts"]["metadataService"] == 30080


def test_later_values_win(run: Run, arguments: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump({"database": {"storage": {"className": "fast"}}}))
    values = [*arguments["values"], str(tmp_path / "mine.yaml"), {"objectStore": {"bucket": "mine"}}]
    result = run("chart_check", **{**arguments, "values": values})
    assert result["storage_classes"] == ["", "fast"]
    assert result["values"]["objectStore"]["bucket"] == "mine"
    assert result["values"]["objectStore"]["prefix"] == "metaflow"


def test_a_bad_name_and_bad_values_are_said_at_once(run: Run, arguments: dict[str, Any]) -> None:
    values = [*arguments["values"], {"database": {"hots": "a", "port": "b"}}]
    result = run("chart_check", **{**arguments, "name": "a" * 60, "values": values})
    name, *rest = result["problems"]
    assert name == (
        f"Release '{'a' * 60}': 60 characters are too many, Helm allows 53. Set tributary_release to a shorter name."
    )
    assert "Values at '/database': additional properties 'hots' not allowed. Correct the values file." in rest
    assert "Values at '/database/port': got string, want integer. Correct the values file." in rest


def test_a_name_that_leaves_the_chart_no_room_is_refused_in_the_charts_words(
    run: Run, arguments: dict[str, Any]
) -> None:
    (problem,) = run("chart_check", **{**arguments, "name": "a" * 50})["problems"]
    assert problem.startswith(f'helm: release name "{"a" * 50}": has 50 characters')


@pytest.mark.parametrize("name", ["", "Tributary", "tributary_one", "-a", "a-", "1a"])
def test_what_is_no_name_is_refused(run: Run, arguments: dict[str, Any], name: str) -> None:
    (problem,) = run("chart_check", **{**arguments, "name": name})["problems"]
    assert problem.startswith(f"Release {name!r}: not a name. Set tributary_release")


def test_a_values_file_that_is_not_there_is_named(run: Run, arguments: dict[str, Any]) -> None:
    (problem,) = run("chart_check", **{**arguments, "values": ["missing.yaml"]})["problems"]
    assert problem == "helm: open missing.yaml: no such file or directory."


def test_a_helm_that_is_too_old_is_refused() -> None:
    assert version_problem("v3.14.0", "3.14") == []
    assert version_problem("v4.0.1+g1", "3.14") == []
    assert version_problem("v3.9.4", "3.14") == [
        "helm: version v3.9.4 is too old. Install 3.14 or later, or set tributary_helm to it."
    ]


def test_claims_and_templates_of_claims_name_their_classes() -> None:
    claim = {"kind": "PersistentVolumeClaim", "spec": {"storageClassName": "slow"}}
    stateful = {"kind": "StatefulSet", "spec": {"volumeClaimTemplates": [{"spec": {}}]}}
    assert storage_classes([claim, stateful, {"kind": "Service", "spec": {}}]) == ["", "slow"]
