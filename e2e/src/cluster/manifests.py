"""Upstream's own manifests of Kubeflow Pipelines, out of the pinned Go modules, with our few settings on top."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import yaml

from cluster import command, programs, versions

OURS = Path(__file__).parents[2] / "kubeflow" / "manifests"
# Raise it when this module makes other manifests of the same files.
RENDERER = 1
_ARGO_ON_THE_WEB = re.compile(r"https://github\.com/argoproj/argo-workflows/manifests/(\S+?)\?ref=\S+")


@dataclass(frozen=True)
class Rendered:
    """What is to be applied: first what belongs to the whole cluster, then what lies in the namespace."""

    cluster_wide: str
    namespaced: str
    node_port: str


def recipe(namespace: str, *, from_packages: bool) -> str:
    """A hash over all that decides what `render` gives."""
    digest = hashlib.sha256(
        repr((RENDERER, namespace, from_packages, versions.KUBEFLOW_PIPELINES_MODULE, versions.ARGO)).encode()
    )
    for file in sorted(path for path in OURS.rglob("*") if path.is_file()):
        digest.update(f"{file.relative_to(OURS)}\0".encode() + file.read_bytes())
    return digest.hexdigest()[:12]


def render(namespace: str, *, from_packages: bool, kubectl: Path, cache: Path, log: Path) -> Rendered:
    """Render all for one namespace. Raises GoBuildError or CommandFailed."""
    folder = cache / "kubeflow" / f"{versions.KUBEFLOW_PIPELINES}-{os.getpid()}"
    shutil.rmtree(folder, ignore_errors=True)
    try:
        _lay_out(folder, cache)
        overlay = "packages" if from_packages else "common"
        return Rendered(
            cluster_wide=_kustomize(folder, namespace, "pipelines/cluster-scoped-resources", kubectl, log),
            namespaced=_kustomize(folder, namespace, f"ours/{overlay}", kubectl, log),
            node_port=(OURS / "node-port.yaml").read_text(),
        )
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _lay_out(folder: Path, cache: Path) -> None:
    """Copy both modules' manifests and ours side by side, and point Pipelines at the Argo that lies there."""
    pipelines = programs.pipelines_folder(cache) / "manifests" / "kustomize"
    argo = programs.argo_folder(cache) / "manifests"
    for source, name in ((pipelines, "pipelines"), (argo, "argo"), (OURS, "ours")):
        shutil.copytree(source, folder / name, copy_function=shutil.copyfile)
    for file in (folder / "pipelines" / "third-party" / "argo").rglob("kustomization.yaml"):
        above = os.path.relpath(folder / "argo", file.parent)
        file.write_text(_ARGO_ON_THE_WEB.sub(rf"{above}/\1", file.read_text()))


def _kustomize(folder: Path, namespace: str, resource: str, kubectl: Path, log: Path) -> str:
    top = folder / "top"
    top.mkdir(exist_ok=True)
    document = {"namespace": namespace, "resources": [os.path.relpath(folder / resource, top)]}
    (top / "kustomization.yaml").write_text(yaml.safe_dump(document))
    return command.run([str(kubectl), "kustomize", str(top)], log=log)
