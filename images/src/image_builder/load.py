"""Brings built images into the nodes of a local cluster, only those that the nodes lack.

A content tag says by itself whether a node has the image. A name of upstream's does not, so the content's hash is
written beside the name in the node's own store.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from image_builder import commands
from image_builder.build import Built
from image_builder.engine import CONTENT_LABEL, DOCKER, Engine
from image_builder.errors import BuildFailed, Refused

KIND_PODMAN = "kind-podman"
KIND_DOCKER = "kind-docker"
MINIKUBE = "minikube"
KIND_LABEL = "io.x-k8s.kind.cluster"


class Target(Protocol):
    """A local cluster that takes images."""

    def lacks(self, images: Sequence[Built]) -> list[Built]:
        """Those of the images that must be loaded. Raises Refused when there is no such cluster."""
        ...

    def take(self, images: Sequence[Built]) -> None:
        """Load images. Raises BuildFailed."""
        ...


@dataclass(frozen=True)
class KindOnPodman:
    """A kind cluster whose nodes are podman's containers. kind's own loading would read Docker's store."""

    cluster: str
    engine: Engine

    def lacks(self, images: Sequence[Built]) -> list[Built]:
        nodes = self._nodes()
        if not nodes:
            raise Refused([f"{self.cluster}: no node of this kind cluster is running. Start the cluster."])
        have = set.intersection(*(self._has(node) for node in nodes))
        return [image for image in images if (image.reference, image.content) not in have]

    def take(self, images: Sequence[Built]) -> None:
        for node in self._nodes():
            ctr = [self.engine.program, "exec", "--interactive", node, "ctr", "--namespace", "k8s.io", "images"]
            references = [image.reference for image in images]
            _pipe(self.engine.save_command(references), [*ctr, "import", "-"], node, self.engine)
            for image in images:
                argv = [*ctr, "label", image.reference, f"{CONTENT_LABEL}={image.content}"]
                log = self.engine.logs / "load.log"
                commands.run(argv, purpose=f"label of {image.reference}", log=log, environment=self.engine.environment)

    def _nodes(self) -> list[str]:
        argv = [self.engine.program, "ps", "--filter", f"label={KIND_LABEL}={self.cluster}", "--format", "{{.Names}}"]
        return (commands.answer(argv, environment=self.engine.environment) or "").split()

    def _has(self, node: str) -> set[tuple[str, str]]:
        argv = [self.engine.program, "exec", node, "ctr", "--namespace", "k8s.io", "images", "ls"]
        printed = commands.answer(argv, environment=self.engine.environment)
        if printed is None:
            raise Refused([f"{node}: containerd does not answer. Start the cluster anew."])
        have = set()
        for line in printed.splitlines()[1:]:
            words = line.replace(",", " ").split()
            contents = [word.split("=", 1)[1] for word in words if word.startswith(f"{CONTENT_LABEL}=")]
            have |= {(words[0], content) for content in contents}
        return have


@dataclass(frozen=True)
class KindOnDocker:
    """A kind cluster on Docker. kind itself looks at what its nodes have."""

    cluster: str
    logs: Path
    kind: str = "kind"
    environment: Mapping[str, str] | None = field(default=None, repr=False)

    def lacks(self, images: Sequence[Built]) -> list[Built]:
        commands.need(self.kind, "it loads images into the cluster", self.environment)
        return list(images)

    def take(self, images: Sequence[Built]) -> None:
        argv = [self.kind, "load", "docker-image", "--name", self.cluster, *(image.reference for image in images)]
        log = self.logs / "load.log"
        commands.run(argv, purpose=f"images of {self.cluster}", log=log, environment=self.environment)


@dataclass(frozen=True)
class Minikube:
    """A minikube profile. It takes an archive, which it understands from either engine."""

    profile: str
    engine: Engine

    def lacks(self, images: Sequence[Built]) -> list[Built]:
        commands.need("minikube", "it loads images into the cluster", self.engine.environment)
        printed = commands.answer(["minikube", "--profile", self.profile, "image", "ls"])
        if printed is None:
            raise Refused([f"{self.profile}: minikube knows no running profile of that name. Start it."])
        have = set(printed.split())
        # A tag that is no hash says nothing of the content.
        return [image for image in images if image.reference not in have or image.tag != image.content]

    def take(self, images: Sequence[Built]) -> None:
        self.engine.logs.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.engine.logs.parent) as folder:
            archive = Path(folder) / "images.tar"
            self.engine.save([image.reference for image in images], archive)
            argv = ["minikube", "--profile", self.profile, "image", "load", str(archive)]
            commands.run(argv, purpose=f"images of {self.profile}", log=self.engine.logs / "load.log")


def target(provider: str, cluster: str, engine: Engine, *, kind: str = "kind") -> Target:
    """The cluster behind a provider's name; auto means kind on the engine that holds the images."""
    if provider == "auto":
        provider = KIND_DOCKER if engine.program == DOCKER else KIND_PODMAN
    if provider == MINIKUBE:
        return Minikube(cluster, engine)
    if provider == KIND_DOCKER:
        return KindOnDocker(cluster, engine.logs, kind)
    return KindOnPodman(cluster, engine)


def load_images(images: Sequence[Built], to: Target, say: Callable[[str], None]) -> list[Built]:
    """Load what the cluster lacks, and give it. Raises Refused or BuildFailed."""
    missing = to.lacks(images)
    if missing:
        to.take(missing)
    for image in missing:
        say(f"{image.reference}: loaded")
    return missing


def _pipe(give: Sequence[str], take: Sequence[str], node: str, engine: Engine) -> None:
    engine.logs.mkdir(parents=True, exist_ok=True)
    log = engine.logs / "load.log"
    with log.open("w") as said:
        source = subprocess.Popen(give, stdout=subprocess.PIPE, stderr=said, env=engine.environment)
        done = subprocess.run(
            take, stdin=source.stdout, stdout=subprocess.DEVNULL, stderr=said, env=engine.environment, check=False
        )
        assert source.stdout is not None
        source.stdout.close()
        given = source.wait()
    if given != 0 or done.returncode != 0:
        raise BuildFailed(f"{node}: images could not be loaded. Look at {log}.")
