"""What the platform takes when nobody uses it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cluster.settings import Settings

pytestmark = pytest.mark.cluster
LIMIT_MIB = 400


def test_the_platform_takes_less_than_its_limit(settings: Settings, kubernetes_api: Any) -> None:
    """The kubelet's figures are the working sets of the pods' cgroups."""
    found: dict[str, float] = {}
    for node in kubernetes_api.list_node().items:
        answer = kubernetes_api.connect_get_node_proxy_with_path(
            node.metadata.name, "stats/summary", _preload_content=False
        )
        for pod in json.loads(answer.data)["pods"]:
            if pod["podRef"]["namespace"] == settings.namespace:
                found[pod["podRef"]["name"]] = pod["memory"]["workingSetBytes"] / 2**20
    print("\n".join(f"{mib:6.1f} MiB  {name}" for name, mib in sorted(found.items())))
    for component in ("database", "object-store", "metadata-service", "ui"):
        assert any(f"{settings.release}-{component}-" in name for name in found), f"no figure of {component}"
    assert sum(found.values()) < LIMIT_MIB
