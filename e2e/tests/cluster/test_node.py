"""The node that is made here of packages, where it differs from kind's own."""

from __future__ import annotations

import subprocess

import pytest

from cluster import command
from cluster.kubectl import Kubectl
from cluster.providers import provider_of
from cluster.providers.kind import Kind
from cluster.settings import Settings

pytestmark = pytest.mark.cluster

UNIT = "/etc/systemd/system/services-stay.service"
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
    look = [provider.nodes.engine, "exec", f"{settings.cluster}-control-plane", "test", "-e", UNIT]
    if command.try_run(look, environment=provider.nodes.environment) is None:
        pytest.skip("the node is of an earlier version and was started again with its data; `make down` makes way")
    deployment = f"deployment/{settings.release}-metadata-service"
    argv = kubectl.argv("exec", "--namespace", settings.namespace, deployment, "--", "python3", "-c", ASK)
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.strip() == "ConnectionRefusedError"
