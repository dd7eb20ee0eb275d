"""Where a cluster comes from. All providers answer to one interface, `provider.Provider`."""

from __future__ import annotations

import os

from cluster.command import try_run
from cluster.providers.existing import ExistingContext
from cluster.providers.kind import Kind
from cluster.providers.minikube import Minikube
from cluster.providers.nodes import DockerNodes, PodmanNodes
from cluster.providers.provider import Health, Provider
from cluster.settings import Settings

__all__ = ["Health", "Provider", "provider_of"]


def provider_of(settings: Settings) -> Provider:
    """The provider that the settings ask for; `auto` takes kind, on Docker where an engine answers."""
    if settings.context:
        return ExistingContext(settings)
    if settings.provider == "minikube":
        return Minikube(settings)
    if settings.provider == "kind-docker" or (settings.provider == "auto" and _docker_answers()):
        return Kind(settings, DockerNodes(settings))
    return Kind(settings, PodmanNodes(settings))


def _docker_answers() -> bool:
    return try_run(["docker", "info", "--format", "{{.ServerVersion}}"], environment=os.environ, timeout=20) is not None
