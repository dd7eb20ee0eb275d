"""Which flows of tests/flows the installed Metaflow cannot express: it is run with older ones too (tests/versions)."""

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


def lacking(flow: str) -> str | None:
    """Why the installed Metaflow cannot run this flow, or None."""
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
