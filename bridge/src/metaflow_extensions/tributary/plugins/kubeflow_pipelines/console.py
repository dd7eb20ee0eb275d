"""What all commands share: which server they speak to, and where their results go."""

import os
from pathlib import Path

from metaflow import metaflow_config
from metaflow._vendor import click

from . import access, compat, guard, names
from .refusals import Refused
from .server import Server


def server_of(obj: compat.State) -> Server:
    """The Kubeflow Pipelines that this command line speaks of."""
    return Server(obj.kubeflow_url, obj.kubeflow_namespace, access.keys(metaflow_config, os.environ))


def server(url: str | None, namespace: str | None) -> Server:
    """The Kubeflow Pipelines at the URL, or the one of this process's settings without it; runs in the namespace."""
    return Server(
        url or metaflow_config.KUBEFLOW_PIPELINES_URL or os.environ.get(access.SDK_URL),
        namespace or metaflow_config.KUBEFLOW_PIPELINES_NAMESPACE or access.namespace_of_pod(),
        access.keys(metaflow_config, os.environ),
    )


def say(obj: compat.State, line: str) -> None:
    """A result: to stdout, also with --quiet."""
    obj.echo_always(line, err=False, no_bold=True)


def recall(obj: compat.State) -> guard.Recall:
    """Reads the flow's datastore by content's key."""
    return lambda key: compat.recall(obj, key)


def command(obj: compat.State) -> str:
    """The beginning of a command line for this deployment, for messages that say what to type next."""
    project = " ".join(compat.top_level_options(obj))
    name = (
        "" if obj.flow_identity.project or obj.pipeline_name == names.pipeline_name(obj.flow.name, None) else "--name"
    )
    words = ["python", compat.flow_file(), project, "kubeflow-pipelines", name and f"{name} {obj.pipeline_name}"]
    return " ".join(filter(None, words))


def write_run_id(file: str | None, run_id: str) -> None:
    """Write the id of a run that was started to the file of --run-id-file. Refused when that cannot be done."""
    if file is None:
        return
    try:
        Path(file).write_text(run_id, encoding="utf-8")
    except OSError as error:
        raise Refused(f"--run-id-file: {file!r}: {error.strerror}. The run {run_id} has started.") from error


def write(text: str, output: str | None) -> None:
    """Write documents to the file of --output, or to stdout without one. Refused when that cannot be done."""
    if output is None:
        click.echo(text, nl=False)
        return
    try:
        Path(output).write_text(text, encoding="utf-8")
    except OSError as error:
        raise Refused(
            f"--output {output!r}: cannot be written ({error.strerror}). Name a file in a folder that exists."
        ) from None


def see(obj: compat.State, run_id: str) -> None:
    """Say where a run that was started can be seen."""
    if metaflow_config.UI_URL:
        obj.echo(f"See the run at {metaflow_config.UI_URL.rstrip('/')}/{obj.flow.name}/{run_id}")
    obj.echo(f"Ask how it stands with: {command(obj)} status {run_id}")
