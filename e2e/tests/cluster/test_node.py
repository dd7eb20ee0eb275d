"""The node that is made here of packages, where it differs from kind's own."""

from __future__ import annotations

import subprocess

import pytest

from cluster import command, node_image
from cluster.kubectl import Kubectl
from cluster.providers import provider_of
from cluster.providers.kind import Kind
from cluster.settings import Settings

pytestmark = pytest.mark.cluster

# No Service has this address: kind counts from the front.
NOBODY = "10.96.255.254"
ASK = f"""
import socket
try:
    socket.create_connection(("{NOBODY}", 80), 20)
except OSError as reason:
    print(type(reason).__name__)
else:
    print("a stranger answered")
"""


def test_what_is_for_a_service_that_is_not_known_is_refused_and_leaves_no_node(
    settings: Settings, kubectl: Kubectl
) -> None:
    """A program that is early would otherwise be connected to whoever answers outside, and stay so."""
    provider = provider_of(settings)
    if not (isinstance(provider, Kind) and provider.from_packages):
        pytest.skip("the node is not one that was made here of packages")
    look = [provider.nodes.engine, "inspect", "--format", "{{.ImageName}}", f"{settings.cluster}-control-plane"]
    made_of = command.run(look, log=settings.logs / "podman.log", environment=provider.nodes.environment).strip()
    if made_of != node_image.build(settings.cache, settings.logs, print).reference:
        pytest.skip("the node is of another version and was started again with its data; `make down` makes way")
    deployment = f"deployment/{settings.release}-metadata-service"
    argv = kubectl.argv("exec", "--namespace", settings.namespace, deployment, "--", "python3", "-c", ASK)
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.strip() == "ConnectionRefusedError"
