"""What holds and builds images: a Docker engine, or podman. Their command lines differ in a few flags only."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from image_builder import commands, podman_env
from image_builder.errors import Refused

DOCKER = "docker"
PODMAN = "podman"
# Written into each image: the hash of what it was made from. A name may be upstream's and say nothing of it.
CONTENT_LABEL = "io.tributary.content"

# A Dockerfile here reaches no network, and the flag keeps it so.
_BUILD_FLAGS = {
    DOCKER: ("--network", "none"),
    PODMAN: ("--network", "none", "--format", "docker", "--layers"),
}
_SAVE_FLAGS: dict[str, tuple[str, ...]] = {DOCKER: (), PODMAN: ("--multi-image-archive", "--format", "docker-archive")}


@dataclass(frozen=True)
class Stored:
    """An image as the engine holds it."""

    id: str
    size: int
    content: str


@dataclass(frozen=True)
class Engine:
    """A program that holds images. logs is the folder for the output of its longer commands."""

    program: str
    logs: Path
    environment: Mapping[str, str] | None = field(default=None, repr=False)

    def inspect(self, reference: str) -> Stored | None:
        """The image of that name, or None."""
        printed = commands.answer([self.program, "image", "inspect", reference], environment=self.environment)
        if printed is None:
            return None
        found = json.loads(printed)[0]
        labels = found.get("Config", {}).get("Labels") or {}
        return Stored(found["Id"].removeprefix("sha256:"), found["Size"], labels.get(CONTENT_LABEL, ""))

    def build(self, context: Path, reference: str, content: str, args: Mapping[str, str]) -> None:
        """Build a context folder under a name. Raises BuildFailed."""
        argv = [self.program, "build", *_BUILD_FLAGS[self.program]]
        argv += ["--tag", reference, "--label", f"{CONTENT_LABEL}={content}"]
        for key, value in args.items():
            argv += ["--build-arg", f"{key}={value}"]
        self._run([*argv, str(context)], f"image {reference}", context.name)

    def take_files(self, archive: Path, reference: str) -> None:
        """Make an image out of an archive of its files. Raises BuildFailed."""
        self._run([self.program, "import", str(archive), reference], f"base image {reference}", archive.stem)

    def save(self, references: Sequence[str], output: Path) -> None:
        """Write images to one archive, layers that they share only once. Raises BuildFailed."""
        argv = [self.program, "save", *_SAVE_FLAGS[self.program], "--output", str(output), *references]
        self._run(argv, f"archive {output}", "save")

    def save_command(self, references: Sequence[str]) -> list[str]:
        """The command that writes such an archive to its standard output."""
        return [self.program, "save", *_SAVE_FLAGS[self.program], *references]

    def push(self, reference: str, target: str) -> None:
        """Push an image to a registry under another name. Raises BuildFailed."""
        self._run([self.program, "tag", reference, target], f"image {target}", "push")
        self._run([self.program, "push", target], f"push of {target}", "push")

    def forget_all_but(self, keep: int, repository: str) -> None:
        """Remove the older images of a repository. One that is in use stays."""
        argv = [self.program, "images", "--format", "{{.Repository}}:{{.Tag}}", repository]
        newest_first = (commands.answer(argv, environment=self.environment) or "").split()
        for reference in newest_first[keep:]:
            commands.answer([self.program, "rmi", reference], environment=self.environment)

    def _run(self, argv: Sequence[str], purpose: str, log: str) -> None:
        log_file = self.logs / f"image-{log}.log"
        commands.run(argv, purpose=purpose, log=log_file, environment=self.environment)


def choose(preference: str, cache: Path) -> Engine:
    """Docker or podman; auto takes a Docker engine that answers, else podman. Raises Refused when there is none."""
    if preference in ("auto", DOCKER) and commands.answer([DOCKER, "info"]) is not None:
        return Engine(DOCKER, cache / "logs")
    if preference == DOCKER:
        raise Refused(["docker: the Docker engine does not answer. Start it, or use podman."])
    environment = podman_env.environment(cache)
    if commands.find(PODMAN, environment) is None:
        raise Refused(["images: no Docker engine answers and podman is not on PATH. Start Docker or install podman."])
    return Engine(PODMAN, cache / "logs", environment)
