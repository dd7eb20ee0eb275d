"""What a step finds in `current`, and in its task's metadata, of the pod that it runs in."""

from typing import Any

import pytest
from metaflow import current

from bridge.tests.lib.graphs import kubernetes
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.compiler import pods
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.pod.decorator import (
    FIELDS,
    KubeflowPipelinesInternalDecorator,
)


class Metadata:
    """Metaflow's metadata provider, as far as a decorator uses it."""

    def __init__(self) -> None:
        self.fields: dict[str, str] = {}

    def register_metadata(self, run: str, step: str, task: str, data: list[Any]) -> None:
        self.fields |= {each.field: each.value for each in data}


@pytest.fixture
def metadata(monkeypatch: pytest.MonkeyPatch) -> Metadata:
    """Where the fields go. What a step does to `current` ends with the test."""
    monkeypatch.setattr(type(current), "tempdir", type(current).tempdir)
    monkeypatch.setattr(type(current), "spot_termination_notice", None, raising=False)
    return Metadata()


def before_the_step(metadata: Metadata) -> None:
    decorator = KubeflowPipelinesInternalDecorator()
    decorator.task_pre_step("train", None, metadata, "kfp-1", "t-train", None, None, 0, 0, None, None)


def test_the_metadata_of_a_task_says_what_metaflows_own_pods_say(
    metadata: Metadata, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = [name for name, _ in pods.FIELD_PATHS]
    for name in given:
        monkeypatch.setenv(name, f"the {name}")
    before_the_step(metadata)
    ours = {"pod-name", "pod-namespace", "pod-id", "pod-service-account-name", "node-ip"}
    assert {f"kubernetes-{name}" for name in ours} <= metadata.fields.keys()
    assert {FIELDS[field] for field in metadata.fields} == set(given)


def test_current_says_where_the_folder_in_memory_is_and_where_a_notice_would_be(
    metadata: Metadata, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(pods.CURRENT_TEMPDIR, "/fast")
    before_the_step(metadata)
    assert current.tempdir == "/fast"
    assert current.spot_termination_notice == "/tmp/spot_termination_notice"


@pytest.mark.parametrize(
    ("asked", "wanted"),
    [
        ({}, {}),
        ({"use_tmpfs": True}, {"METAFLOW_TEMPDIR": "/metaflow_temp"}),
        ({"tmpfs_size": 10, "tmpfs_path": "/fast"}, {"METAFLOW_TEMPDIR": "/fast"}),
        ({"use_tmpfs": True, "tmpfs_tempdir": False, "tmpfs_path": "/fast"}, {"TRIBUTARY_TEMPDIR": "/fast"}),
        ({"tmpfs_tempdir": False}, {"TRIBUTARY_TEMPDIR": "/metaflow_temp"}),
    ],
)
def test_which_variable_tells_of_the_folder(asked: dict[str, Any], wanted: dict[str, str]) -> None:
    assert pods.temporary_folder(kubernetes(**asked).attributes) == wanted
