"""Which flows of tests/flows cannot be run with what is installed: older Metaflows are tested too (tests/versions)."""

import re
from importlib import metadata

import pytest

from metaflow_extensions.tributary.plugins.kubeflow_pipelines import support

# Flow -> what it is about, by its name in support.SINCE.
NEEDS = {
    "config_flow": "Config(plain=True)",
    "custom_names_flow": "other names for start and end",
    "single_step_flow": "a flow of one step",
}
# Flow -> the package whose decorators it has. Old Metaflows are installed without it.
PACKAGES = {"checkpoint_flow": "metaflow-checkpoint"}


def lacking(flow: str) -> str | None:
    """Why this flow cannot be run with the installed Metaflow and packages, or None."""
    package = PACKAGES.get(flow)
    if package is not None and not list(metadata.distributions(name=package)):
        return f"needs the package {package}, which is not installed"
    needs = NEEDS.get(flow)
    installed = metadata.version("metaflow")
    if needs is None or numbers(installed) >= numbers(support.SINCE[needs]):
        return None
    return f"needs {needs}, which came with Metaflow {support.SINCE[needs]}; {installed} is installed"


def skip_if_lacking(flow: str) -> None:
    """Skip the test that asks, with the reason, when the installed Metaflow cannot run this flow."""
    if reason := lacking(flow):
        pytest.skip(reason)


def numbers(version: str) -> tuple[int, ...]:
    """A version's numbers, to be compared."""
    return tuple(map(int, re.findall(r"\d+", version)))
