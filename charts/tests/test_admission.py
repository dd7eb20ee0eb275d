"""A release on a real API server: what Kubernetes itself admits, and what the credentials Job may do there.

Only etcd and the API server run, so objects are accepted or refused and no pod ever starts.
"""

from __future__ import annotations

import json
import secrets
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from release_setup.__main__ import main

if TYPE_CHECKING:
    from charts.tests.conftest import Chart

pytestmark = pytest.mark.server
CHART = Path(__file__).parents[1] / "tributary"
NAMESPACE = "platform"
WORKLOADS = ("Deployment", "StatefulSet", "Job")


@dataclass(frozen=True)
class Kubernetes:
    """One running API server and its administrator's token."""

    port: int
    folder: Path
    token: str

    @property
    def authority(self) -> Path:
        return self.folder / "apiserver.crt"

    def call(self, method: str, path: str, body: Any = None, token: str | None = None) -> tuple[int, Any]:
        """Status and content of an answer, as the administrator or with another token."""
        request = urllib.request.Request(
            f"https://127.0.0.1:{self.port}{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {token or self.token}", "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(
                request, timeout=60, context=ssl.create_default_context(cafile=str(self.authority))
            ) as answer:
                return answer.status, content_of(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, content_of(error)

    def made(self, path: str, body: Any) -> Any:
        status, content = self.call("POST", path, body)
        assert status == 201, content
        return content

    def ready(self) -> bool:
        """Whether it admits what it should: before /readyz says so, it may know nothing yet of what there is."""
        namespace = f"/api/v1/namespaces/{NAMESPACE}"
        try:
            return self.call("GET", "/readyz")[0] == 200 and self.call("GET", namespace)[0] in (200, 404)
        except OSError:
            return False


def content_of(answer: Any) -> Any:
    """The body of an answer. That of /readyz is no JSON."""
    body = answer.read()
    return json.loads(body) if answer.headers.get_content_type() == "application/json" else body.decode()


def free_ports(count: int) -> list[int]:
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


@pytest.fixture(scope="module")
def kubernetes(program: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kubernetes]:
    folder = tmp_path_factory.mktemp("kubernetes")
    port, store, peer = free_ports(3)
    server = Kubernetes(port, folder, secrets.token_hex())
    (folder / "tokens.csv").write_text(f'{server.token},admin,admin,"system:masters"\n')
    (folder / "tokens.csv").chmod(0o600)
    signing = folder / "accounts.pem"
    signing.write_bytes(
        ec.generate_private_key(ec.SECP256R1()).private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        )
    )
    etcd: list[str | Path] = [
        *(program("etcd"), "--data-dir", folder / "etcd", "--unsafe-no-fsync"),
        *("--listen-client-urls", f"http://127.0.0.1:{store}", "--advertise-client-urls", f"http://127.0.0.1:{store}"),
        *("--listen-peer-urls", f"http://127.0.0.1:{peer}"),
    ]
    api: list[str | Path] = [
        *(program("kube-apiserver"), "--etcd-servers", f"http://127.0.0.1:{store}", "--cert-dir", folder),
        *("--bind-address", "127.0.0.1", "--secure-port", str(port), "--service-cluster-ip-range", "10.96.0.0/16"),
        *("--authorization-mode", "RBAC", "--token-auth-file", folder / "tokens.csv"),
        *("--service-account-issuer", "https://kubernetes.default.svc", "--service-account-key-file", signing),
        *("--service-account-signing-key-file", signing),
    ]
    running: list[subprocess.Popen[bytes]] = []
    with (folder / "log").open("wb") as log:
        try:
            for command in (etcd, api):
                running.append(subprocess.Popen(command, stdout=log, stderr=log, cwd=folder))
            deadline = time.monotonic() + 300
            while not server.ready():
                assert all(process.poll() is None for process in running), (folder / "log").read_text()[-2000:]
                assert time.monotonic() < deadline, (folder / "log").read_text()[-2000:]
                time.sleep(0.2)
            restricted = {"pod-security.kubernetes.io/enforce": "restricted"}
            server.made("/api/v1/namespaces", {"metadata": {"name": NAMESPACE, "labels": restricted}})
            # A controller would make it, and none runs.
            server.made(f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts", {"metadata": {"name": "default"}})
            yield server
        finally:
            for process in reversed(running):
                process.terminate()
                process.wait(timeout=30)


@pytest.fixture(scope="module")
def release(kubernetes: Kubernetes, chart: Chart) -> list[dict[str, Any]]:
    """The objects of a release that helm installed, upgraded with other values, and upgraded back."""
    config = kubernetes.folder / "kubeconfig"
    config.write_text(
        yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "bare",
                "contexts": [{"name": "bare", "context": {"cluster": "bare", "user": "admin"}}],
                "clusters": [
                    {
                        "name": "bare",
                        "cluster": {
                            "server": f"https://127.0.0.1:{kubernetes.port}",
                            "certificate-authority": str(kubernetes.authority),
                        },
                    }
                ],
                "users": [{"name": "admin", "user": {"token": kubernetes.token}}],
            }
        )
    )
    for memory in ("256Mi", "300Mi", "256Mi"):
        chart.upgrade(config, NAMESPACE, {"setup": {"resources": {"memoryLimit": memory}}})
    return chart.render({"setup": {"resources": {"memoryLimit": "256Mi"}}}, profile="production")


def test_helm_installs_and_upgrades(kubernetes: Kubernetes, release: list[dict[str, Any]]) -> None:
    """Changed Jobs are new Jobs, so no upgrade meets an immutable field, and the old ones are gone."""
    _, found = kubernetes.call("GET", f"/apis/batch/v1/namespaces/{NAMESPACE}/jobs")
    there = {job["metadata"]["name"] for job in found["items"] if "deletionTimestamp" not in job["metadata"]}
    assert there == {each["metadata"]["name"] for each in release if each["kind"] == "Job"}


def test_every_pod_is_admitted_where_the_restricted_standard_is_enforced(
    kubernetes: Kubernetes, release: list[dict[str, Any]]
) -> None:
    workloads = [each for each in release if each["kind"] in WORKLOADS]
    for workload in workloads:
        template = workload["spec"]["template"]
        claims = [
            {"name": claim["metadata"]["name"], "persistentVolumeClaim": {"claimName": "any"}}
            for claim in workload["spec"].get("volumeClaimTemplates", [])
        ]
        spec = {**template["spec"], "volumes": [*template["spec"].get("volumes", []), *claims]}
        pod = {
            "metadata": {"name": workload["metadata"]["name"], "labels": template["metadata"]["labels"]},
            "spec": spec,
        }
        status, content = kubernetes.call("POST", f"/api/v1/namespaces/{NAMESPACE}/pods?dryRun=All", pod)
        assert status == 201, content
    assert len(workloads) == 6


def test_the_standard_is_really_enforced(kubernetes: Kubernetes) -> None:
    pod = {"metadata": {"name": "loose"}, "spec": {"containers": [{"name": "loose", "image": "loose"}]}}
    status, content = kubernetes.call("POST", f"/api/v1/namespaces/{NAMESPACE}/pods?dryRun=All", pod)
    assert (status, "violates PodSecurity" in content["message"]) == (403, True)


def test_the_credentials_job_makes_its_secrets_and_can_do_nothing_else(
    kubernetes: Kubernetes, release: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    core = f"/api/v1/namespaces/{NAMESPACE}"
    kubernetes.made(f"{core}/secrets", {"metadata": {"name": "foreign"}, "stringData": {"key": "value"}})
    token = kubernetes.made(f"{core}/serviceaccounts/probe-setup/token", {"spec": {}})["status"]["token"]
    (job,) = (each for each in release if each["metadata"]["name"].startswith("probe-setup-credentials"))
    (variable,) = job["spec"]["template"]["spec"]["containers"][0]["env"]
    environ = {
        variable["name"]: variable["value"],
        "KUBERNETES_SERVICE_HOST": "127.0.0.1",
        "KUBERNETES_SERVICE_PORT": str(kubernetes.port),
    }
    (tmp_path / "token").write_text(token)
    (tmp_path / "namespace").write_text(NAMESPACE)
    (tmp_path / "ca.crt").write_bytes(kubernetes.authority.read_bytes())
    monkeypatch.setattr("release_setup.__main__.ACCOUNT", tmp_path)

    assert main(["credentials"], environ, patience=30) == 0
    first = kubernetes.call("GET", f"{core}/secrets/probe-database")[1]
    assert first["data"].keys() == {"username", "password"}
    assert main(["credentials"], environ, patience=30) == 0
    assert kubernetes.call("GET", f"{core}/secrets/probe-database")[1] == first

    for method, path in [
        ("GET", f"{core}/secrets"),
        ("GET", f"{core}/secrets/foreign"),
        ("DELETE", f"{core}/secrets/probe-database"),
        ("GET", f"{core}/pods"),
        ("GET", "/api/v1/namespaces/default/secrets"),
    ]:
        assert kubernetes.call(method, path, token=token)[0] == 403, (method, path)
