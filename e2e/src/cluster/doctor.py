"""What hinders a start, found before anything is done."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Iterator

from cluster import ownership
from cluster.errors import Refused
from cluster.providers.provider import Health, Provider
from cluster.settings import Settings

GIB = 1 << 30
# Measured: all downloads, builds and images of a first start, and a cluster with its images on top of them.
NEEDED_COLD = 25
NEEDED_WARM = 8


def refuse_problems(settings: Settings, provider: Provider) -> None:
    """Raises Refused with every problem that is found."""
    if found := list(problems(settings, provider)):
        raise Refused("\n".join(found))


def problems(settings: Settings, provider: Provider) -> Iterator[str]:
    """One sentence for each thing that hinders a start."""
    found = provider.problems()
    yield from found
    if not settings.context:
        yield from _disk(settings, provider)
    # A cluster that stands still wants its ports back: without them its node does not start and its data is lost.
    health = Health.READY if found or settings.context else provider.health()
    if health is Health.ABSENT or (health is not Health.READY and not provider.processes()):
        yield from _ports(settings)


def _disk(settings: Settings, provider: Provider) -> Iterator[str]:
    # The folder comes with the manifests, once all programs and images of Kubeflow Pipelines are there.
    warm = not provider.from_packages or (settings.cache / "kubeflow").is_dir()
    needed = NEEDED_WARM if warm else NEEDED_COLD
    folder = next(path for path in [settings.cache, *settings.cache.parents] if path.exists())
    free = shutil.disk_usage(folder).free / GIB
    if free < needed:
        yield (
            f"CACHE: {settings.cache} has {free:.1f} GiB free, and {needed} are needed. "
            "Make room, or set CACHE to a folder on a larger disk."
        )


def _ports(settings: Settings) -> Iterator[str]:
    advice = "is in use. Free it, or set PORT to the first of ten free ports."
    if ownership.recorded(settings.state):
        advice = (
            "is in use, and the cluster was made with it. Free it. A cluster with other ports takes "
            f"`{settings.make('down')}` first."
        )
    for name in ("metadata_service", "object_store", "kubeflow_pipelines", "ui", "kubernetes"):
        port: int = getattr(settings.ports, name)
        if not is_free(port):
            yield f"PORT: {port} on 127.0.0.1, for {name.replace('_', '-')}, {advice}"


def is_free(port: int) -> bool:
    """Whether a server could listen there now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
