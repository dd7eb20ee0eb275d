"""The images of Kubeflow Pipelines where no registry is in reach: built, and loaded into the cluster."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cluster import programs, proto_types
from cluster.steps import Say
from image_builder import bases, golang, load, table
from image_builder.build import Built, build_images
from image_builder.cli import OUR_TABLE
from image_builder.engine import PODMAN, choose

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
    minio = table.read(OUR_TABLE).programs["minio"]
    pipelines = programs.pipelines(*proto_types.make(cache, say))
    return golang.build([*programs.argo(), *pipelines, minio], cache=cache, say=say)


def build(cache: Path, say: Say) -> list[Built]:
    """Build the images that are not there yet, and give all. Raises Refused or BuildFailed."""
    built = build_programs(cache, say)
    given = {image: {place: built[name]} for image, (place, name) in _PROGRAMS.items()}
    given["api-server"]["config.json"] = programs.pipelines_folder(cache) / "backend/src/apiserver/config/config.json"
    engine = choose(PODMAN, cache)
    return list(build_images(TABLE, cache=cache, say=say, engine=engine, world=bases.PACKAGES, given=given).values())


def load_into(cluster: str, images: Sequence[Built], cache: Path, say: Say) -> None:
    """Load what the cluster's node lacks. Raises Refused or BuildFailed."""
    load.load_images(images, load.KindOnPodman(cluster, choose(PODMAN, cache)), say)
