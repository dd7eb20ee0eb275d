"""A record is read back as it was written, or refused by the name of what is wrong."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bridge.tests.pod.small_kubeflow import FLOWS, describe
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.record import Deployment, RecordError


@pytest.mark.parametrize("name", ["parameters_flow", "nested_foreach_flow", "retry_flow", "timeout_flow"])
def test_a_record_is_read_back_as_it_was_written(name: str, tmp_path: Path) -> None:
    deployment = describe(FLOWS / f"{name}.py", tmp_path)
    assert Deployment.from_json(deployment.to_json()) == deployment
    assert deployment.to_json() == describe(FLOWS / f"{name}.py", tmp_path).to_json()


Change = Callable[[dict[str, Any]], object]
CHANGES: dict[str, tuple[Change, str]] = {
    "missing": (lambda record: record.pop("flow_file"), "deployment record: lacks flow_file"),
    "unknown": (lambda record: record.update(colour="blue"), "deployment record: has unknown fields colour"),
    "other version": (lambda record: record.update(schema_version=99), "has schema version 99, this code reads 1"),
    "other type": (lambda record: record.update(owner=7), "deployment record.owner: is 7, not a str"),
    "bool for int": (
        lambda record: record["steps"]["start"].update(user_code_retries=True),
        "deployment record.steps.start.user_code_retries: is True, not a int",
    ),
    "unknown kind": (
        lambda record: record["steps"]["start"].update(kind="switch"),
        "deployment record.steps.start.kind: is 'switch', not one of 'start', ",
    ),
    "unknown encoding": (
        lambda record: record["parameters"][0].update(encoding="yaml"),
        "deployment record.parameters[0].encoding: is 'yaml'",
    ),
}


@pytest.mark.parametrize(("change", "message"), CHANGES.values(), ids=CHANGES)
def test_another_record_is_refused(change: Change, message: str, tmp_path: Path) -> None:
    record = json.loads(describe(FLOWS / "parameters_flow.py", tmp_path).to_json())
    change(record)
    with pytest.raises(RecordError) as refusal:
        Deployment.from_json(json.dumps(record))
    assert message in str(refusal.value)
    assert str(refusal.value).endswith(".")


@pytest.mark.parametrize("text", ["", "[]", "{", b"\xff"])
def test_no_record_at_all_is_refused(text: str | bytes) -> None:
    with pytest.raises(RecordError):
        Deployment.from_json(text)
