"""The file holds the settings; with a token it is closed to others, follows the Secret, and prints no token."""

from __future__ import annotations

import base64
import json
import stat
from pathlib import Path
from typing import Any

import pytest

from playbooks.tests.conftest import Cluster, Run

FIRST, SECOND = "first-token-of-the-tests", "second-token-of-the-tests"
SETTINGS = {"METAFLOW_SERVICE_URL": "http://service", "METAFLOW_DEFAULT_METADATA": "service"}


def put_token(cluster: Cluster, namespace: str, token: str, key: str = "token") -> None:
    metadata = {"name": "client", "namespace": namespace}
    data = {key: base64.b64encode(token.encode()).decode()}
    cluster.put({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "Opaque", "data": data})


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "config.json"


@pytest.fixture
def arguments(place: dict[str, str], namespace: str, file: Path) -> dict[str, Any]:
    return {**place, "settings": SETTINGS, "token_namespace": namespace, "token_name": "client", "path": str(file)}


def held(file: Path) -> Any:
    return json.loads(file.read_text()), stat.S_IMODE(file.stat().st_mode)


def test_the_token_follows_the_secret_each_under_check_mode_first(
    cluster: Cluster, namespace: str, run: Run, arguments: dict[str, Any], file: Path
) -> None:
    before = None
    for token in (FIRST, SECOND):
        put_token(cluster, namespace, token)
        looked = run("metaflow_config_file", check=True, **arguments)
        assert (looked["changed"], file.read_text() if file.exists() else None) == (True, before)
        done = run("metaflow_config_file", **arguments)
        assert done["changed"]
        assert held(file) == ({**SETTINGS, "METAFLOW_SERVICE_AUTH_KEY": token}, 0o600)
        for check in (True, False):
            assert not run("metaflow_config_file", check=check, **arguments)["changed"]
        printed = json.dumps([looked, done])
        assert not any(value in printed for value in (FIRST, SECOND))
        assert "http://service" in printed
        before = file.read_text()
    assert "(hidden, another than before)" in done["diff"]["after"]


def test_without_a_token_the_file_is_open_and_the_cluster_is_not_asked(
    run: Run, arguments: dict[str, Any], file: Path
) -> None:
    plain = {**arguments, "token_name": "", "context": "nowhere"}
    assert run("metaflow_config_file", **plain)["changed"]
    assert held(file) == (SETTINGS, 0o644)
    assert not run("metaflow_config_file", **plain)["changed"]


@pytest.mark.parametrize("strange", [b"what somebody wrote", b"what somebody wrote \xff", b'["what somebody wrote"]'])
def test_what_stood_there_is_kept_beside_it(run: Run, arguments: dict[str, Any], file: Path, strange: bytes) -> None:
    file.write_bytes(strange)
    done = run("metaflow_config_file", **{**arguments, "token_name": ""})
    assert Path(done["backup_file"]).read_bytes() == strange
    assert "what somebody wrote" not in json.dumps(done["diff"])


def test_a_file_of_ours_leaves_no_copy_of_its_token(
    cluster: Cluster, namespace: str, run: Run, arguments: dict[str, Any], file: Path
) -> None:
    with_ui = {**arguments, "settings": {**SETTINGS, "METAFLOW_UI_URL": "http://ui"}, "may_lack": ["METAFLOW_UI_URL"]}
    for token, given in ((FIRST, arguments), (SECOND, arguments), (SECOND, with_ui)):
        put_token(cluster, namespace, token)
        done = run("metaflow_config_file", **given)
        assert (done["changed"], "backup_file" in done) == (True, False)
    assert [each for each in file.parent.glob("config.json*") if each != file] == []


LOGIN = {"METAFLOW_KUBEFLOW_PIPELINES_COOKIES": "cookies-of-somebody", "METAFLOW_USER": "somebody"}


def test_settings_that_are_not_ours_stay_unseen_and_the_file_is_closed(
    run: Run, arguments: dict[str, Any], file: Path
) -> None:
    plain = {**arguments, "token_name": ""}
    run("metaflow_config_file", **plain)
    file.write_text(json.dumps({**SETTINGS, **LOGIN, "METAFLOW_SERVICE_URL": "http://before"}))
    looked = run("metaflow_config_file", check=True, **plain)
    done = run("metaflow_config_file", **plain)
    assert (looked["changed"], done["changed"]) == (True, True)
    assert held(file) == ({**SETTINGS, **LOGIN}, 0o600)
    assert not run("metaflow_config_file", **plain)["changed"]
    printed = json.dumps([looked, done])
    assert not any(value in printed for value in ("cookies-of-somebody", '"somebody'))
    assert "http://before" in done["diff"]["before"]
    assert "METAFLOW_KUBEFLOW_PIPELINES_COOKIES" in done["diff"]["after"]


def test_an_empty_setting_of_ours_is_taken_out(run: Run, arguments: dict[str, Any], file: Path) -> None:
    plain = {**arguments, "token_name": ""}
    run("metaflow_config_file", **{**plain, "settings": {**SETTINGS, "METAFLOW_UI_URL": "http://ui"}})
    assert run("metaflow_config_file", **{**plain, "settings": {**SETTINGS, "METAFLOW_UI_URL": ""}})["changed"]
    assert held(file) == (SETTINGS, 0o644)


def test_a_configuration_of_somebody_elses_is_kept_closed_to_others(
    run: Run, arguments: dict[str, Any], file: Path
) -> None:
    theirs = {"METAFLOW_SERVICE_URL": "http://theirs", **LOGIN}
    file.write_text(json.dumps(theirs))
    done = run("metaflow_config_file", **{**arguments, "token_name": ""})
    assert held(Path(done["backup_file"])) == (theirs, 0o600)
    assert held(file) == ({**SETTINGS, **LOGIN}, 0o600)


def test_a_token_that_is_not_there_is_refused(
    cluster: Cluster, namespace: str, run: Run, arguments: dict[str, Any], file: Path
) -> None:
    assert run("metaflow_config_file", check=True, **arguments)["changed"]
    missing = f"Secret {namespace}/client: is not there to be read. Make it with the role credentials."
    assert run("metaflow_config_file", **arguments)["msg"] == missing
    put_token(cluster, namespace, FIRST, key="another")
    lacking = f"Secret {namespace}/client: lacks token. Add it, or name another Secret."
    assert run("metaflow_config_file", **arguments)["msg"] == lacking
    assert not file.exists()


def test_a_folder_that_is_not_there_is_said(run: Run, arguments: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "nowhere" / "config.json"
    refused = run("metaflow_config_file", **{**arguments, "token_name": "", "path": str(path)})
    assert refused["msg"] == (
        f"{path}: cannot be written (No such file or directory). Set tributary_client_dir to another folder."
    )
