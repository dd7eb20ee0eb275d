"""Every command of the command line, whatever it is, against a Kubeflow Pipelines that is not there."""

from pathlib import Path

import pytest

from bridge.tests.lib.commands import command
from metaflow_extensions.tributary.plugins.kubeflow_pipelines import cli

FLOW = Path(__file__).parents[1] / "flows" / "linear_flow.py"
# Those of Argo's that are refused ask no server.
NAMES = sorted(name for name, each in cli.kubeflow_pipelines.commands.items() if not each.hidden)
GIVEN = {"RUN_ID": "kfp-0b2c9d1e-0000-4000-8000-000000000000"}


def arguments(name: str) -> list[str]:
    """The arguments that the command must be given."""
    return [GIVEN[each.name.upper()] for each in cli.kubeflow_pipelines.commands[name].params if _is_wanted(each)]


def _is_wanted(parameter: object) -> bool:
    return type(parameter).__name__ == "Argument" and bool(getattr(parameter, "required", False))


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_it_says_in_one_sentence_that_kubeflow_cannot_be_reached_and_ends_with_two(name: str) -> None:
    done = command(FLOW, "kubeflow-pipelines", "--url", "http://127.0.0.1:9", name, *arguments(name))
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    said = [line for line in done.stderr.splitlines() if line.startswith("Kubeflow Pipelines at http://127.0.0.1:9: ")]
    assert len(said) == 1 and "cannot be reached (Connection refused)" in said[0], done.stderr
    assert done.stdout == ""
