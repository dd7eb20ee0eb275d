"""The image of a kind node and the images of its control plane, for clusters without a registry.

They are made of Debian packages, of programs built from Go modules and of kind's own files out of its module, by the
table e2e/node/images.yml. Elsewhere kind's published node image serves.
"""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cluster import command, programs, storage, versions
from cluster.steps import Say
from image_builder import bases, golang
from image_builder.build import build_images
from image_builder.engine import PODMAN, choose

TABLE = Path(__file__).parents[2] / "node" / "images.yml"
NODE = "kind-node"
# Where the node finds the archive of the control plane's images, and kubeadm the patches of its pods.
IMAGES_IN_NODE = "/kind/images.tar"
PATCHES_IN_NODE = "/kind/patches"
# The addresses of Services, of which services-stay.service lets none leave the node.
SERVICES = "10.96.0.0/16"
# Archives that stay: a node that stands still needs its own when it is started again.
KEPT = 3
# Images that are one program, by the place where the Dockerfile expects it.
_PROGRAMS = {
    "kube-apiserver": "bin/kube-apiserver",
    "kube-controller-manager": "bin/kube-controller-manager",
    "kube-scheduler": "bin/kube-scheduler",
    "kube-proxy": "bin/kube-proxy",
    "etcd": "bin/etcd",
    "local-path-provisioner": "bin/local-path-provisioner",
    "coredns": "entrypoint",
    "pause": "entrypoint",
}


@dataclass(frozen=True)
class NodeImage:
    """The node's image as podman knows it, and the archive of images to mount into the node."""

    reference: str
    control_plane: Path


def build(cache: Path, logs: Path, say: Say) -> NodeImage:
    """Make or find both. Raises GoBuildError, BuildFailed, Refused or Failed."""
    wanted = [*programs.kubernetes(), programs.ETCD, programs.COREDNS, programs.LOCAL_PATH_PROVISIONER]
    built = golang.build(wanted, cache=cache, say=say) | {"pause": _pause(cache, logs)}
    engine = choose(PODMAN, cache)
    given = {name: {place: built[name]} for name, place in _PROGRAMS.items()}
    given[NODE] = {"rootfs": _node_files(built, cache)}
    images = build_images(TABLE, cache=cache, say=say, engine=engine, world=bases.PACKAGES, given=given)
    node = images.pop(NODE)
    contents = "".join(f"{image.reference} {image.content}\n" for image in images.values())
    archive = cache / "node" / f"control-plane-{hashlib.sha256(contents.encode()).hexdigest()[:12]}.tar"
    if not archive.exists():
        say("writing the archive of the control plane's images")
        archive.parent.mkdir(parents=True, exist_ok=True)
        part = archive.with_suffix(".part")
        part.unlink(missing_ok=True)
        engine.save([image.reference for image in images.values()], part)
        part.rename(archive)
        for old in sorted(archive.parent.glob("control-plane-*.tar"), key=lambda path: path.stat().st_mtime)[:-KEPT]:
            old.unlink()
    return NodeImage(node.reference, archive)


def _pause(cache: Path, logs: Path) -> Path:
    """The program that holds a pod's namespaces, compiled from the Kubernetes module's own source."""
    target = cache / "bin" / f"pause-{versions.PAUSE}-{versions.KUBERNETES}" / "pause"
    if not target.exists():
        module = golang.module_folder("k8s.io/kubernetes", versions.KUBERNETES, cache=cache)
        target.parent.mkdir(parents=True, exist_ok=True)
        source = module / "build" / "pause" / "linux" / "pause.c"
        part = target.with_suffix(".part")
        argv = ["gcc", "-Os", "-Wall", "-static", f"-DVERSION={versions.PAUSE}", "-o", str(part), str(source)]
        command.run(argv, log=logs / "node-image.log")
        part.rename(target)
    return target


def _node_files(built: Mapping[str, Path], cache: Path) -> Path:
    """Lay out what the node's Dockerfile copies to the root: kind's own files, the node's programs, and the manifest
    of the storage class, which kind applies itself."""
    target = cache / "node" / "rootfs"
    shutil.rmtree(target, ignore_errors=True)
    kind = golang.module_folder(programs.KIND.module, versions.KIND, cache=cache) / "images" / "base" / "files"
    shutil.copytree(kind, target, copy_function=shutil.copyfile)
    config = target / "etc" / "containerd" / "config.toml"
    config.write_text(containerd_config(config.read_text()))
    for name in ("kubeadm", "kubelet", "kubectl"):
        (target / "usr" / "bin").mkdir(exist_ok=True)
        shutil.copyfile(built[name], target / "usr" / "bin" / name)
    for folder in ("usr/bin", "usr/local/bin", "kind/bin"):
        for path in (target / folder).iterdir():
            path.chmod(0o755)
    (target / "kind" / "version").write_text(f"{versions.KUBERNETES}\n")
    manifest = target / "kind" / "manifests" / "default-storage.yaml"
    manifest.parent.mkdir()
    manifest.write_text(storage.manifest(cache))
    return target


def containerd_config(text: str) -> str:
    """kind's config of containerd with the settings that differ here.

    A small machine does not let pods lower their oom score, and layers stay because several images share them.
    """
    changes = {
        r'sandbox_image = ".*"': f'sandbox_image = "registry.k8s.io/pause:{versions.PAUSE}"',
        r"restrict_oom_score_adj = \w+": "restrict_oom_score_adj = true",
        r"discard_unpacked_layers = \w+": "discard_unpacked_layers = false",
    }
    for pattern, line in changes.items():
        text, found = re.subn(pattern, line, text)
        if found == 0:
            raise AssertionError(f"kind {versions.KIND}: its containerd config has no {pattern!r}")
    return text
