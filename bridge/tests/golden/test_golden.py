"""The documents of every flow in tests/flows, as they were when somebody last looked at them.

`make golden` writes them anew; a missing file fails. What changes with every line of code is left out: the code's hash,
and the command that finds it.
"""

import re
from pathlib import Path

import pytest

from bridge.tests.lib import protos, versions
from bridge.tests.lib.commands import commands

FLOWS = sorted((Path(__file__).parent.parent / "flows").glob("*_flow.py"))
SPECS = Path(__file__).parent / "specs"


@pytest.fixture(scope="module")
def compiled() -> dict[str, str]:
    """The documents of all flows by the flow's file."""
    flows = [flow for flow in FLOWS if versions.lacking(flow.stem) is None]
    done = commands([(flow, ("--quiet", "kubeflow-pipelines", "create", "--only-json")) for flow in flows])
    texts = {}
    for flow, process in zip(flows, done, strict=True):
        assert process.returncode == 0, process.stderr
        texts[flow.stem] = process.stdout
    return texts


@pytest.mark.parametrize("flow", [flow.stem for flow in FLOWS])
def test_the_documents_are_those_that_were_looked_at(
    flow: str, compiled: dict[str, str], pytestconfig: pytest.Config
) -> None:
    versions.skip_if_lacking(flow)
    golden = SPECS / f"{flow}.yaml"
    found = settled(compiled[flow])
    if pytestconfig.getoption("--regenerate", default=False):
        golden.write_text(found)
    assert golden.is_file(), f"{golden.name} is missing: make golden, and look at it"
    assert found == golden.read_text()


@pytest.mark.parametrize("flow", [flow.stem for flow in FLOWS])
def test_the_protos_know_every_field_of_a_real_flow(flow: str, compiled: dict[str, str]) -> None:
    versions.skip_if_lacking(flow)
    protos.check(compiled[flow])


def test_no_golden_file_is_left_over() -> None:
    assert {file.stem for file in SPECS.glob("*.yaml")} == {flow.stem for flow in FLOWS}


def settled(text: str) -> str:
    """The text without what changes with every line of code."""
    text = re.sub(r'"s3://bucket/metaflow/(\w+)/data/../[0-9a-f]{40}"', r'"s3://bucket/metaflow/\1/data/RECORD"', text)
    return re.sub(r'("command": \[)[^\]]*(\n +\])', r'\1"BOOT"\2', text)
