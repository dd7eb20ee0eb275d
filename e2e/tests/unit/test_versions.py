"""One version has one value: tables, manifests and code agree."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from cluster import kubeflow_images, node_image, programs, storage, versions
from image_builder import table
from image_builder.cli import OUR_TABLE

E2E = Path(__file__).parents[2]
MANIFESTS = E2E / "kubeflow" / "manifests"


def references(path: Path) -> dict[str, str]:
    return {name: f"{image.repository}:{image.tag}" for name, image in table.read(path).images.items()}


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def test_the_node_brings_what_kubeadm_asks_for() -> None:
    found = references(node_image.TABLE)
    for name in ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy"):
        assert found[name] == f"registry.k8s.io/{name}:{versions.KUBERNETES}"
    assert found["etcd"] == f"registry.k8s.io/etcd:{versions.ETCD_TAG}"
    assert found["coredns"] == f"registry.k8s.io/coredns/coredns:{versions.COREDNS_TAG}"
    assert found["pause"] == f"registry.k8s.io/pause:{versions.PAUSE}"


def test_the_storage_class_uses_images_of_the_node() -> None:
    assert references(node_image.TABLE)["local-path-provisioner"] == storage.PROVISIONER_IMAGE
    images = table.read(node_image.TABLE)
    assert f"{images.prefix}/shell:{images.images['shell'].tag}" == storage.HELPER_IMAGE


def test_pipelines_images_are_of_the_pinned_release() -> None:
    found = references(kubeflow_images.TABLE)
    ours = {name: reference for name, reference in found.items() if "/kubeflow/" in reference}
    assert len(ours) == 5
    assert {reference.rsplit(":", 1)[1] for reference in ours.values()} == {versions.KUBEFLOW_PIPELINES}


def test_argo_is_one_version_in_table_and_manifests() -> None:
    found = references(kubeflow_images.TABLE)
    assert found["workflow-controller"] == f"quay.io/argoproj/workflow-controller:{versions.ARGO}"
    assert load(MANIFESTS / "common" / "kustomization.yaml")["images"][0]["newTag"] == versions.ARGO
    assert load(MANIFESTS / "common" / "workflow-controller.yaml")[-1]["value"] == found["argoexec"]


def test_the_api_tells_release_and_commit() -> None:
    arguments = dict(table.read(kubeflow_images.TABLE).images["api-server"].args)
    assert arguments["TAG_NAME"] == versions.KUBEFLOW_PIPELINES
    assert versions.KUBEFLOW_PIPELINES_MODULE.endswith(arguments["COMMIT_SHA"])


def test_a_node_holds_the_python_base_once() -> None:
    assert table.read(kubeflow_images.TABLE).bases["python"] == table.read(OUR_TABLE).bases["python"]


def test_kubernetes_programs_are_built_by_one_command() -> None:
    assert len({program.shared() for program in programs.kubernetes()}) == 1
    assert {program.nested for program in programs.kubernetes()} == {versions.KUBERNETES.replace("v1.", "v0.")}
