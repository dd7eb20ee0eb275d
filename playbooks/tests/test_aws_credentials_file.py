"""The file follows the Secret, is closed to others, and its key is never printed."""

from __future__ import annotations

import base64
import json
import stat
from pathlib import Path
from typing import Any

import botocore.session
import pytest

from playbooks.tests.conftest import Cluster, Run

FIRST, SECOND = "first-%secret", "second-$ecret"


def put_key(cluster: Cluster, namespace: str, secret: str, key: str = "secret-key") -> None:
    values = {"access-key": "an-access-key", key: secret}
    data = {name: base64.b64encode(value.encode()).decode() for name, value in values.items()}
    metadata = {"name": "key", "namespace": namespace}
    cluster.put({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "Opaque", "data": data})


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "credentials"


@pytest.fixture
def arguments(place: dict[str, str], namespace: str, file: Path) -> dict[str, Any]:
    return {**place, "source_namespace": namespace, "source_name": "key", "path": str(file)}


def read(file: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    """The key as boto3 finds it in the file."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    found = botocore.session.Session().get_credentials()
    assert found is not None
    return found.access_key, found.secret_key


def test_the_file_follows_the_secret_each_under_check_mode_first(
    cluster: Cluster,
    namespace: str,
    run: Run,
    arguments: dict[str, Any],
    file: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = None
    for secret in (FIRST, SECOND):
        put_key(cluster, namespace, secret)
        looked = run("aws_credentials_file", check=True, **arguments)
        assert (looked["changed"], file.read_text() if file.exists() else None) == (True, before)
        done = run("aws_credentials_file", **arguments)
        assert done["changed"]
        assert read(file, monkeypatch) == ("an-access-key", secret)
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        for check in (True, False):
            assert not run("aws_credentials_file", check=check, **arguments)["changed"]
        printed = json.dumps([looked, done])
        assert not any(value in printed for value in (FIRST, SECOND))
        before = file.read_text()


def test_a_file_that_others_can_read_is_closed(
    cluster: Cluster, namespace: str, run: Run, arguments: dict[str, Any], file: Path
) -> None:
    put_key(cluster, namespace, FIRST)
    run("aws_credentials_file", **arguments)
    file.chmod(0o644)
    assert run("aws_credentials_file", **arguments)["changed"]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_without_a_secret_check_mode_says_what_would_be_written_and_apply_refuses(
    cluster: Cluster, namespace: str, run: Run, arguments: dict[str, Any], file: Path
) -> None:
    assert run("aws_credentials_file", check=True, **arguments)["changed"]
    refused = run("aws_credentials_file", **arguments)
    assert refused["msg"] == (f"Secret {namespace}/key: is not there to be read. Make it with the role credentials.")
    assert not file.exists()


def test_a_secret_without_the_key_is_refused(
    cluster: Cluster, namespace: str, run: Run, arguments: dict[str, Any]
) -> None:
    put_key(cluster, namespace, FIRST, key="another")
    refused = run("aws_credentials_file", **arguments)
    assert refused["msg"] == f"Secret {namespace}/key: lacks secret-key. Add it, or name another Secret."


def test_a_folder_that_is_not_there_is_said(
    cluster: Cluster, namespace: str, run: Run, arguments: dict[str, Any], tmp_path: Path
) -> None:
    put_key(cluster, namespace, FIRST)
    path = tmp_path / "nowhere" / "credentials"
    refused = run("aws_credentials_file", **{**arguments, "path": str(path)})
    assert refused["msg"] == (
        f"{path}: cannot be written (No such file or directory). Set tributary_client_dir to another folder."
    )
