"""The images of Kubeflow Pipelines where no registry is in reach: built, and loaded into the cluster."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from cluster import programs, proto_types
from cluster.steps import Say
from image_builder import bases, content, golang, load, table
from image_builder.build import Built, build_images
from image_builder.cli import OUR_TABLE
from image_builder.engine import PODMAN, choose
from image_builder.golang import GoProgram
from image_builder.plan import BUILDER

TABLE = Path(__file__).parents[2] / "kubeflow" / "images.yml"
# Image -> where its Dockerfile expects the program -> the program.
_PROGRAMS = {
    "api-server": ("apiserver", "kfp-apiserver"),
    "persistence-agent": ("controller", "persistence-agent"),
    "scheduled-workflow": ("controller", "scheduled-workflow"),
    "driver": ("bin/driver", "driver"),
    "launcher": ("bin/launcher-v2", "launcher-v2"),
    "workflow-controller": ("bin/workflow-controller", "workflow-controller"),
    "argoexec": ("bin/argoexec", "argoexec"),
    "minio": ("minio", "minio"),
}


def build_programs(cache: Path, say: Say) -> dict[str, Path]:
    """All Go programs of Kubeflow Pipelines, Argo and MinIO by name. Raises GoBuildError."""
    return golang.build(_recipes(proto_types.make(cache, say)), cache=cache, say=say)


def build(cache: Path, say: Say) -> list[Built]:
    """Build the images that are not there yet, and give all. Raises Refused or BuildFailed."""
    given = _given(build_programs(cache, say), cache)
    engine = choose(PODMAN, cache)
    return list(build_images(TABLE, cache=cache, say=say, engine=engine, world=bases.PACKAGES, given=given).values())


def contents(cache: Path) -> str | None:
    """A hash over all that the images are made of, or None while a program is not built. Builds and reads little.

    A program's path carries the hash of its recipe, so the gigabyte of programs need not be read.
    """
    protos = proto_types.find(cache)
    if protos is None:
        return None
    built = [golang.path_of(program, cache=cache) for program in _recipes(protos)]
    if not all(path.exists() for path in built):
        return None
    files = (path for path in content.files(TABLE.parent) if "manifests" not in path.parts)
    folder = content.digest(TABLE.parent, files)
    recipe = repr((BUILDER, folder, [path.parent.name for path in built]))
    return hashlib.sha256(recipe.encode()).hexdigest()[:12]


def load_into(cluster: str, images: Sequence[Built], cache: Path, say: Say) -> list[Built]:
    """Load what the cluster's node lacks, and give it. Raises Refused or BuildFailed."""
    return load.load_images(images, load.KindOnPodman(cluster, choose(PODMAN, cache)), say)


def _recipes(protos: tuple[Path, Path]) -> list[GoProgram]:
    minio = table.read(OUR_TABLE).programs["minio"]
    return [*programs.argo(), *programs.pipelines(*protos), minio]


def _given(built: Mapping[str, Path], cache: Path) -> dict[str, dict[str, Path]]:
    given = {image: {place: built[name]} for image, (place, name) in _PROGRAMS.items()}
    given["api-server"]["config.json"] = programs.pipelines_folder(cache) / "backend/src/apiserver/config/config.json"
    return given
