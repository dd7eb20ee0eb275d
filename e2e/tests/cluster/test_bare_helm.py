"""`helm install` alone, without a playbook: the release makes its own credentials and becomes ready."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cluster.kubectl import Kubectl
from cluster.settings import Settings
from installer import tools
from laptop.eventually import eventually

pytestmark = [pytest.mark.cluster, pytest.mark.long, pytest.mark.timeout(3600)]
ROOT = Path(__file__).parents[3]
NAMESPACE = RELEASE = "bare"
# Of each command and each wait. A test has four of them, and two to clear up.
LIMIT = 500.0


@pytest.fixture
def helm(settings: Settings, kubectl: Kubectl) -> Iterator[list[str]]:
    words = [
        str(tools.helm(settings)),
        *(
            "--kubeconfig",
            str(settings.kubeconfig),
            "--kube-context",
            settings.kube_context,
            "--namespace",
            NAMESPACE,
        ),
    ]
    yield words
    subprocess.run([*words, "uninstall", RELEASE, "--wait"], timeout=LIMIT, check=False)
    kubectl.ask("delete", "namespace", NAMESPACE, "--wait", timeout=LIMIT)


@pytest.fixture
def install(helm: list[str], settings: Settings) -> list[str]:
    chart = ROOT / "charts" / "tributary"
    return [
        *(*helm, "upgrade", "--install", RELEASE, str(chart), "--create-namespace"),
        *("--values", str(chart / "profiles" / "production.yaml"), "--values", str(settings.images)),
        *("--set", "metadataService.replicas=1,ui.replicas=1"),
    ]


def test_a_bare_release_becomes_ready(install: list[str], kubernetes_api: Any) -> None:
    subprocess.run(install, timeout=LIMIT, check=True)
    eventually(lambda: _not_ready(kubernetes_api), within=LIMIT)
    before = _secrets(kubernetes_api)
    subprocess.run(install, timeout=LIMIT, check=True)
    eventually(lambda: _not_ready(kubernetes_api), within=LIMIT)
    assert _secrets(kubernetes_api) == before
    assert {f"{RELEASE}-database", f"{RELEASE}-object-store-root", f"{RELEASE}-object-store-metaflow"} <= before.keys()


def test_corrected_values_reach_pods_that_never_got_ready(install: list[str], kubernetes_api: Any) -> None:
    wrong = [f"{component}.image.tag=nowhere" for component in ("database", "objectStore")]
    subprocess.run([*install, "--set", ",".join(wrong)], timeout=LIMIT, check=True)

    def not_stuck() -> str | None:
        for component in ("database", "object-store"):
            pod = _pods(kubernetes_api).get(component)
            (container,) = (pod.status.container_statuses or [None]) if pod else [None]
            if not (container and container.state.waiting and "ImagePull" in container.state.waiting.reason):
                return f"{component} has not looked for its image"
        return None

    eventually(not_stuck, within=LIMIT)
    subprocess.run(install, timeout=LIMIT, check=True)
    eventually(lambda: _not_ready(kubernetes_api), within=LIMIT)


def _pods(api: Any) -> dict[str, Any]:
    pods = api.list_namespaced_pod(NAMESPACE).items
    return {pod.metadata.labels["app.kubernetes.io/component"]: pod for pod in pods}


def _not_ready(api: Any) -> str | None:
    components = _pods(api)
    for component in ("database", "object-store", "metadata-service", "ui"):
        conditions = components[component].status.conditions if component in components else []
        if {each.type: each.status for each in conditions or []}.get("Ready") != "True":
            return f"{component} is not ready"
    return None


def _secrets(api: Any) -> dict[str, Any]:
    return {
        each.metadata.name: each.data for each in api.list_namespaced_secret(NAMESPACE).items if each.type == "Opaque"
    }
