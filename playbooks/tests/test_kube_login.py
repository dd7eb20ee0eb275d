"""A kubeconfig's tokens and certificates are read as they stand or from files; what is not plain goes to the client."""

from __future__ import annotations

import base64
import ssl
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from playbooks.module_utils.kube_login import Refusal, login
from playbooks.tests.fake_kubernetes import kubeconfig


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """A self-signed certificate and its key."""
    key, file = tmp_path / "client.key", tmp_path / "client.crt"
    request = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=admin"]
    subprocess.run([*request, "-keyout", str(key), "-out", str(file)], check=True, capture_output=True)
    return file, key


def write(folder: Path, user: dict[str, Any], **cluster: object) -> str:
    config = kubeconfig("https://cluster.example.org:6443/", "mine", "", **cluster)
    config["users"][0]["user"] = user
    (folder / "config").write_text(yaml.safe_dump(config))
    return str(folder / "config")


def tls(found: Any) -> ssl.SSLContext:
    context: ssl.SSLContext = found.pool.connection_pool_kw["ssl_context"]
    return context


def test_a_token_stands_in_the_file_or_in_one_beside_it(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("from-a-file\n")
    assert login(write(tmp_path, {"token": "plain"}), "mine").headers() == {"Authorization": "Bearer plain"}
    found = login(write(tmp_path, {"tokenFile": "token"}), "mine")
    assert found.headers() == {"Authorization": "Bearer from-a-file"}
    assert found.host == "https://cluster.example.org:6443"


@pytest.mark.parametrize("inside", [True, False])
def test_certificates_stand_in_the_file_or_beside_it(
    tmp_path: Path, certificate: tuple[Path, Path], inside: bool
) -> None:
    def part(name: str, file: Path) -> dict[str, str]:
        return {f"{name}-data": base64.b64encode(file.read_bytes()).decode()} if inside else {name: file.name}

    file, key = certificate
    user = {**part("client-certificate", file), **part("client-key", key)}
    found = login(write(tmp_path, user, **part("certificate-authority", file)), "mine")
    assert found.headers() == {}
    assert [each["subject"] for each in tls(found).get_ca_certs()] == [((("commonName", "admin"),),)]
    assert tls(found).verify_mode is ssl.CERT_REQUIRED


def test_a_server_is_only_left_unverified_when_the_file_says_so(tmp_path: Path) -> None:
    assert tls(login(write(tmp_path, {}), "mine")).verify_mode is ssl.CERT_REQUIRED
    unverified = login(write(tmp_path, {}, **{"insecure-skip-tls-verify": True}), "mine")
    assert tls(unverified).verify_mode is ssl.CERT_NONE


def test_a_server_may_have_another_name_than_its_address(tmp_path: Path) -> None:
    found = login(write(tmp_path, {}, **{"tls-server-name": "api.internal"}), "mine")
    assert found.pool.connection_pool_kw["server_hostname"] == "api.internal"
    assert found.pool.connection_pool_kw["assert_hostname"] == "api.internal"


def test_a_login_plugin_is_run_by_the_client(tmp_path: Path) -> None:
    credential = (
        '{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {"token": "made"}}'
    )
    (tmp_path / "plugin").write_text(f"#!/bin/sh\necho '{credential}'\n")
    (tmp_path / "plugin").chmod(0o700)
    plugin = {"apiVersion": "client.authentication.k8s.io/v1", "command": str(tmp_path / "plugin"), "args": []}
    exec_user = {"exec": {**plugin, "interactiveMode": "Never"}}
    assert login(write(tmp_path, exec_user), "mine").headers() == {"authorization": "Bearer made"}


@pytest.mark.parametrize(
    ("user", "cluster", "said"),
    [
        ({"tokenFile": "missing"}, {}, "No such file or directory"),
        ({"client-certificate-data": "!"}, {}, "base64"),
        ({}, {"certificate-authority": "missing"}, "No such file or directory"),
        ({}, {"server": ""}, "its cluster has no server"),
    ],
)
def test_a_file_that_cannot_be_used_says_why(
    tmp_path: Path, user: dict[str, Any], cluster: dict[str, object], said: str
) -> None:
    with pytest.raises(Refusal, match=rf"config: context 'mine' cannot be used: .*{said}.*\. Correct the file\.$"):
        login(write(tmp_path, user, **cluster), "mine")


def test_a_file_without_contexts_says_so(tmp_path: Path) -> None:
    (tmp_path / "config").write_text("apiVersion: v1\n")
    with pytest.raises(Refusal, match=r"has no context 'mine'\. It has none at all\."):
        login(str(tmp_path / "config"), "mine")
