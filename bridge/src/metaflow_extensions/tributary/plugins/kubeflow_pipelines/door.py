"""The commands of `kubeflow-pipelines` as Metaflow's Deployer API runs them: each in a process of its own."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from metaflow.exception import MetaflowException
from metaflow.runner.utils import get_lower_level_group


class CommandFailed(MetaflowException):  # type: ignore[misc]
    """A command of `kubeflow-pipelines` was refused or failed; the message is what it said."""

    headline = "Kubeflow Pipelines"


@contextmanager
def started(deployer: Any, name: str, options: dict[str, Any]) -> Iterator[Any]:
    """Start a command; gives what Metaflow keeps of its process, whose logs go when the block is left. No option that
    is None is given.
    """
    options = {option: value for option, value in options.items() if value is not None}
    group = get_lower_level_group(deployer.api, deployer.top_level_kwargs, deployer.TYPE, deployer.deployer_kwargs)
    words = getattr(group, name)(**options)
    process = deployer.spm.run_command(
        [sys.executable, *words], env=deployer.env_vars, cwd=deployer.cwd, show_output=deployer.show_output
    )
    command = deployer.spm.get(process)
    try:
        yield command
    finally:
        command.cleanup()


def succeeds(deployer: Any, name: str, **options: Any) -> bool:
    """Run a command; gives whether it ended well."""
    with started(deployer, name, options) as command:
        command.sync_wait()
        return bool(command.process.returncode == 0)


def output(deployer: Any, name: str, **options: Any) -> str:
    """What a command writes to stdout. It is not shown, whatever the deployer shows of others.

    CommandFailed when the command was refused or failed.
    """
    shown, deployer.show_output = deployer.show_output, False
    try:
        with started(deployer, name, options) as command:
            command.sync_wait()
            if command.process.returncode != 0:
                raise CommandFailed(text(command, "stderr"))
            return text(command, "stdout")
    finally:
        deployer.show_output = shown


def text(command: Any, stream: str) -> str:
    """What a command that has ended wrote to the stream."""
    with open(command.log_files[stream], encoding="utf-8", errors="replace") as log:
        return log.read().strip()
