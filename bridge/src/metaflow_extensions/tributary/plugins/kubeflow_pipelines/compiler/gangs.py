"""A @parallel step in the deployment record: what the pods of its gang ask for, which the driver's own pod does not."""

from collections.abc import Mapping
from typing import Any

from ..record import GangRecord
from . import pods
from .ir import Step


def record(step: Step) -> GangRecord:
    """The gang of this @parallel step."""
    decorator = step.decorator("kubernetes")
    assert decorator is not None, f"{step.place}: @kubernetes is attached to every step before reading"
    return GangRecord(
        resources=_as_kubernetes_has_it(pods.resources(decorator.attributes)),
        resolution_seconds=int(float(decorator.attributes["hostname_resolution_timeout"])),
    )


def _as_kubernetes_has_it(asked: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    names = {"Cpu": "cpu", "Memory": "memory"}
    found: dict[str, dict[str, str]] = {}
    for kind, plural in (("Request", "requests"), ("Limit", "limits")):
        if some := {
            name: asked[f"resource{key}{kind}"] for key, name in names.items() if f"resource{key}{kind}" in asked
        }:
            found[plural] = some
    if accelerator := asked.get("accelerator"):
        found.setdefault("limits", {})[accelerator["resourceType"]] = accelerator["resourceCount"]
    return found
