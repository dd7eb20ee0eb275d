"""What the commands tell Metaflow's Deployer API, which runs them and reads a file that they write."""

# mypy: disable-error-code="untyped-decorator"
# Metaflow's copy of click has no types.

import json
from collections.abc import Callable, Mapping
from typing import Any

from metaflow._vendor import click

from . import compat

attribute_file: Callable[[Any], Any] = click.option(
    "--deployer-attribute-file", default=None, type=str, hidden=True, help="Used by Metaflow's Deployer API."
)
"""The option by which the Deployer API names the file."""


def write_deployment(obj: compat.State, file: str | None, additional_info: Mapping[str, Any]) -> None:
    """Say which deployment `create` made; nothing without a file."""
    _write(
        file,
        {
            "name": obj.pipeline_name,
            "flow_name": obj.flow.name,
            "metadata": obj.metadata.metadata_str(),
            "additional_info": dict(additional_info),
        },
    )


def write_run(obj: compat.State, file: str | None, run_id: str) -> None:
    """Say which run was started; nothing without a file."""
    _write(
        file,
        {"name": run_id, "metadata": obj.metadata.metadata_str(), "pathspec": f"{obj.flow.name}/{run_id}"},
    )


def _write(file: str | None, said: Mapping[str, Any]) -> None:
    if file is not None:
        # A pipe of the caller's: opened for writing only, and closed at once, which is how the caller sees its end.
        with open(file, "w", encoding="utf-8") as pipe:
            json.dump(said, pipe)
