"""The commands of `kubeflow-pipelines` as Metaflow's Deployer API runs them: each in a process of its own."""

import sys
from typing import Any

from metaflow.exception import MetaflowException
from metaflow.runner.utils import get_lower_level_group


class CommandFailed(MetaflowException):  # type: ignore[misc]
    """A command of `kubeflow-pipelines` was refused or failed; the message is what it said."""

    headline = "Kubeflow Pipelines"


def start(deployer: Any, name: str, options: dict[str, Any]) -> Any:
    """Start a command; gives what Metaflow keeps of its process. An option that is None is not given."""
    options = {option: value for option, value in options.items() if value is not None}
    group = get_lower_level_group(deployer.api, deployer.top_level_kwargs, deployer.TYPE, deployer.deployer_kwargs)
    words = getattr(group, name)(**options)
    process = deployer.spm.run_command(
        [sys.executable, *words], env=deployer.env_vars, cwd=deployer.cwd, show_output=deployer.show_output
    )
    return deployer.spm.get(process)


def succeeds(deployer: Any, name: str, **options: Any) -> bool:
    """Run a command; gives whether it ended well."""
    command = start(deployer, name, options)
    command.sync_wait()
    return bool(command.process.returncode == 0)


def output(deployer: Any, name: str, **options: Any) -> str:
    """What a command writes to stdout. It is not shown, whatever the deployer shows of others.

    CommandFailed when the command was refused or failed.
    """
    shown, deployer.show_output = deployer.show_output, False
    try:
        command = start(deployer, name, options)
        command.sync_wait()
    finally:
        deployer.show_output = shown
    if command.process.returncode != 0:
        raise CommandFailed(text(command, "stderr"))
    return text(command, "stdout")


def text(command: Any, stream: str) -> str:
    """What a command that has ended wrote to the stream."""
    with open(command.log_files[stream], encoding="utf-8", errors="replace") as log:
        return log.read().strip()
