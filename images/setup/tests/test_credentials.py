"""Secrets are made where they are absent, and never shown or changed."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from release_setup.__main__ import main
from release_setup.api_server import ApiServer
from release_setup.credentials import wanted_secrets
from release_setup.errors import Refused

if TYPE_CHECKING:
    from images.setup.tests.conftest import SecretsServer

DATABASE = {
    "name": "release-database",
    "keys": [{"name": "username", "kind": "fixed", "value": "metaflow"}, {"name": "password", "kind": "password"}],
}
STORE = {
    "name": "release-object-store-root",
    "keys": [{"name": "access-key", "kind": "access-key"}, {"name": "secret-key", "kind": "password"}],
}


def run(pod: dict[str, str], *secrets: object, patience: float = 30) -> int:
    return main(["credentials"], {**pod, "TRIBUTARY_SECRETS": json.dumps(secrets)}, patience=patience)


def test_absent_secrets_are_made_with_fresh_values(api_server: SecretsServer, pod: dict[str, str]) -> None:
    assert run(pod, DATABASE, STORE) == 0
    assert api_server.value("release-database", "username") == "metaflow"
    password, access_key, secret_key = (
        api_server.value(*place)
        for place in [
            ("release-database", "password"),
            ("release-object-store-root", "access-key"),
            ("release-object-store-root", "secret-key"),
        ]
    )
    assert re.fullmatch("[A-Za-z0-9]{40}", password)
    assert re.fullmatch("[A-Z0-9]{20}", access_key)
    assert re.fullmatch("[A-Za-z0-9]{40}", secret_key)
    assert password != secret_key


def test_argo_cd_leaves_the_secrets_alone(api_server: SecretsServer, pod: dict[str, str]) -> None:
    assert run(pod, DATABASE) == 0
    metadata = api_server.held["release-database"]["metadata"]
    assert metadata["annotations"] == {
        "argocd.argoproj.io/compare-options": "IgnoreExtraneous",
        "argocd.argoproj.io/sync-options": "Prune=false",
    }
    assert metadata["labels"] == {"app.kubernetes.io/managed-by": "tributary", "app.kubernetes.io/part-of": "tributary"}


def test_a_second_run_changes_nothing_and_creates_nothing(api_server: SecretsServer, pod: dict[str, str]) -> None:
    assert run(pod, DATABASE, STORE) == 0
    before = json.dumps(api_server.held, sort_keys=True)
    api_server.requests.clear()
    assert run(pod, DATABASE, STORE) == 0
    assert json.dumps(api_server.held, sort_keys=True) == before
    assert {request.split()[0] for request in api_server.requests} == {"GET"}


def test_another_maker_may_be_faster(
    api_server: SecretsServer, pod: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    theirs = {"metadata": {"name": "release-database"}, "data": {"username": "dXM=", "password": "cHc="}}
    api_server.before_create = lambda: api_server.held.update({"release-database": theirs})
    assert run(pod, DATABASE) == 0
    assert api_server.held["release-database"] is theirs
    assert capsys.readouterr().out == "Secret release-database: is there and stays as it is.\n"


def test_every_secret_that_lacks_a_key_is_named(
    api_server: SecretsServer, pod: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    api_server.held["release-database"] = {"data": {"username": "dXM="}}
    api_server.held["release-object-store-root"] = {"data": {}}
    assert run(pod, DATABASE, STORE) == 2
    assert capsys.readouterr().err.splitlines() == [
        "Secret release-database: lacks 'password'. Add it, or delete the Secret so that it is made anew.",
        "Secret release-object-store-root: lacks 'access-key', 'secret-key'. "
        "Add it, or delete the Secret so that it is made anew.",
    ]


@pytest.mark.parametrize("status", [403, 429, 500, 503])
def test_a_server_that_is_not_ready_is_asked_again(api_server: SecretsServer, pod: dict[str, str], status: int) -> None:
    api_server.failures = [status]
    assert run(pod, DATABASE) == 0
    assert "release-database" in api_server.held


def test_a_server_that_stays_away_ends_the_job_with_one_sentence(
    api_server: SecretsServer, pod: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    api_server.failures = [503] * 100
    assert run(pod, DATABASE, patience=0.1) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "503" in line
    assert "look at the other side's log" in line


def test_nobody_listening_is_waited_for_too(
    api_server: SecretsServer, pod: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run({**pod, "KUBERNETES_SERVICE_PORT": "1"}, DATABASE, patience=0.1) == 1
    assert "refused" in capsys.readouterr().err


def test_a_certificate_of_another_authority_is_not_trusted(
    api_server: SecretsServer, pod: dict[str, str], service_account: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import certifi

    (service_account / "ca.crt").write_text(Path(certifi.where()).read_text())
    assert run(pod, DATABASE, patience=0.1) == 1
    assert "certificate verify failed" in capsys.readouterr().err
    assert api_server.requests == []


def test_an_impossible_name_is_refused_at_once_and_nothing_is_repeated(
    api_server: SecretsServer, pod: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(pod, {**DATABASE, "name": "release_database"}) == 2
    printed = capsys.readouterr().err
    assert "answered with 422" in printed
    assert "metaflow" not in printed


def test_no_value_is_printed(
    api_server: SecretsServer, pod: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(pod, DATABASE, STORE) == 0
    printed = capsys.readouterr()
    for secret in api_server.held.values():
        for encoded in secret["data"].values():
            for value in (encoded, base64.b64decode(encoded).decode()):
                assert value not in printed.out + printed.err


def test_a_proxy_of_the_environment_is_not_used(
    api_server: SecretsServer, pod: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    assert run(pod, DATABASE) == 0


def test_outside_a_pod_the_program_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert run({}, DATABASE) == 2
    assert "this is not a pod" in capsys.readouterr().err


def test_an_ipv6_address_becomes_a_url(service_account: Path) -> None:
    environ = {"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "443"}
    assert ApiServer.of_this_pod(environ, service_account).url == "https://[fd00::1]:443"


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("{", 1),
        ("[]", 1),
        ('{"name": "x"}', 1),
        ('[{"name": "x"}, {"keys": []}, 3]', 3),
        ('[{"name": "x", "keys": [{"name": "a", "kind": "fixed"}, {"name": "b", "kind": "lucky"}]}]', 2),
    ],
)
def test_every_fault_of_the_list_is_told(text: str, problems: int) -> None:
    with pytest.raises(Refused) as refusal:
        wanted_secrets(text)
    assert len(refusal.value.problems) == problems


def test_a_missing_setting_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bucket"], {"TRIBUTARY_BUCKET": "metaflow"}) == 2
    named = [line.split(":")[0] for line in capsys.readouterr().err.splitlines()]
    assert named == ["TRIBUTARY_OBJECT_STORE_URL", "TRIBUTARY_ROOT_KEY", "TRIBUTARY_LIMITED_KEY"]
