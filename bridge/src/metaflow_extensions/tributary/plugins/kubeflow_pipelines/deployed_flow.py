"""What Metaflow's Deployer API gives for a flow on Kubeflow Pipelines, and for its runs.

Each method runs the command of the same name, with the Deployer's environment, folder and profile: so the rules stand
in one place, and what is refused on the command line is refused here, with the same words.
"""

import json
import sys
import tempfile
import time
from collections.abc import Iterator
from typing import Any, ClassVar

from metaflow.client.core import get_metadata
from metaflow.exception import MetaflowException
from metaflow.runner.deployer import DeployedFlow, Deployer, TriggeredRun, generate_fake_flow_file_contents
from metaflow.runner.utils import get_lower_level_group, handle_timeout, temporary_fifo

from . import console, guard, provenance
from .provenance import DeploymentNotes, FlowIdentity, TakenParameter
from .refusals import Refused
from .server import Pipeline, Server


class CommandFailed(MetaflowException):  # type: ignore[misc]
    """A command of `kubeflow-pipelines` was refused or failed; the message is what it said."""

    headline = "Kubeflow Pipelines"


class KubeflowPipelinesTriggeredRun(TriggeredRun):  # type: ignore[misc]
    """
    A run that was started on Kubeflow Pipelines.
    """

    @property
    def run_id(self) -> str:
        """
        Metaflow's id of the run.
        """
        return str(self.pathspec).rsplit("/", 1)[-1]

    @property
    def status(self) -> str:
        """
        How the run stands.

        Returns
        -------
        str
            Pending, Running, Paused, Canceling, Succeeded, Failed, Canceled or Skipped.

        Raises
        ------
        CommandFailed
            If Kubeflow Pipelines does not say.
        """
        return str(self.status_details["state"]).capitalize()

    @property
    def status_details(self) -> dict[str, Any]:
        """
        What `status --json` says: the run's state and error, and those of its tasks.
        """
        details: dict[str, Any] = json.loads(_output(self.deployer, "status", run_id=self.run_id, as_json=True))
        return details

    @property
    def is_running(self) -> bool:
        """
        Whether the run has not ended.
        """
        return self.status not in ("Succeeded", "Failed", "Canceled", "Skipped")

    def wait_for_completion(self, check_interval: int = 5, timeout: int | None = None) -> None:
        """
        Wait for the run's end.

        Parameters
        ----------
        check_interval : int, default 5
            Seconds between two looks.
        timeout : int, optional, default None
            Seconds to wait at most. If None, waits as long as it takes.

        Raises
        ------
        TimeoutError
            If the run has not ended by then.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while self.is_running:
            if deadline is not None and time.monotonic() >= deadline:
                raise TimeoutError(f"Run {self.run_id} has not ended within {timeout} seconds.")
            time.sleep(check_interval)

    def terminate(self, **kwargs: Any) -> bool:
        """
        Terminate the run.

        Parameters
        ----------
        authorize : str, optional, default None
            The deployment's production token, if somebody else made it.

        Returns
        -------
        bool
            True if the command was successful, False otherwise.
        """
        return _succeeds(self.deployer, "terminate", run_id=self.run_id, **kwargs)

    def retry(self, **kwargs: Any) -> bool:
        """
        Run again what failed in the run, after it has ended.

        Parameters
        ----------
        authorize : str, optional, default None
            The deployment's production token, if somebody else made it.

        Returns
        -------
        bool
            True if the command was successful, False otherwise.
        """
        return _succeeds(self.deployer, "retry", run_id=self.run_id, **kwargs)

    def resume(self, **kwargs: Any) -> "KubeflowPipelinesTriggeredRun":
        """
        Start a run that takes over what ended well in this one, and runs the rest.

        Parameters
        ----------
        step_to_rerun : str, optional, default None
            Run this step and all that follow again, also where they ended well.
        experiment : str, optional, default None
            Experiment that the run belongs to.
        version_name : str, optional, default None
            Version of the pipeline to run. The newest is run without it.

        Returns
        -------
        KubeflowPipelinesTriggeredRun
            The new run. RuntimeError with the command's words when it was refused.
        """
        return _started(self.deployer, "resume", run_id=self.run_id, **kwargs)

    def logs(self, place: str | None = None, **kwargs: Any) -> str:
        """
        What the run's tasks wrote, as `logs` shows it.

        Parameters
        ----------
        place : str, optional, default None
            STEP, or STEP/INDEX/... for the tasks below these indexes. All tasks without it.
        stdout, stderr, timestamps : bool, optional, default False
            The options of `logs`.
        attempt : int, optional, default None
            The attempt to show, in place of the latest.

        Returns
        -------
        str
            The lines.

        Raises
        ------
        CommandFailed
            If none of the tasks has begun.
        """
        where = {} if place is None else {"place": place}
        return _output(self.deployer, "logs", run_id=self.run_id, **where, **kwargs)


class KubeflowPipelinesDeployedFlow(DeployedFlow):  # type: ignore[misc]
    """
    A flow that is deployed to Kubeflow Pipelines.
    """

    TYPE: ClassVar[str | None] = "kubeflow-pipelines"

    @property
    def id(self) -> str:
        """
        What from_deployment() takes: the pipeline's name.
        """
        return str(self.name)

    @property
    def pipeline_documents(self) -> str | None:
        """
        What create(only_json=True) compiled: the documents that Kubeflow Pipelines takes.

        None for a flow that was deployed, and for one from from_deployment().
        """
        documents: str | None = getattr(self.deployer, "additional_info", {}).get("pipeline_documents")
        return documents

    @property
    def production_token(self) -> str | None:
        """
        The production token of the newest version; None when it has none, or nothing is deployed.
        """
        server = _server(self.deployer)
        pipeline = server.find_pipeline(self.name)
        notes = guard.newest_notes(server, pipeline) if pipeline else None
        return notes.token if notes else None

    @classmethod
    def list_deployed_flows(cls, flow_name: str | None = None) -> Iterator["KubeflowPipelinesDeployedFlow"]:
        """
        List the flows that are deployed.

        Parameters
        ----------
        flow_name : str, optional, default None
            List only deployments of the flow of this name.

        Yields
        ------
        KubeflowPipelinesDeployedFlow
            The deployed flows, by the names of their pipelines.
        """
        server = _server(None)
        for pipeline in server.pipelines():
            notes = _notes(server, pipeline)
            if notes is not None and flow_name in (None, notes.identity.flow):
                yield cls(deployer=_deployer(pipeline.name, notes, None))

    @classmethod
    def from_deployment(cls, identifier: str, metadata: str | None = None) -> "KubeflowPipelinesDeployedFlow":
        """
        The deployed flow of a pipeline, without the flow's file.

        Parameters
        ----------
        identifier : str
            Name of the pipeline.
        metadata : str, optional, default None
            Metaflow's metadata provider, as TYPE@INFO.

        Returns
        -------
        KubeflowPipelinesDeployedFlow
            The flow as it is deployed.

        Raises
        ------
        CommandFailed
            If there is no such pipeline, or no flow of Metaflow's made it.
        """
        server = _server(None)
        pipeline = server.find_pipeline(identifier)
        if pipeline is None:
            raise CommandFailed(f"pipeline {identifier!r}: is not on Kubeflow Pipelines at {server.url}.")
        notes = _notes(server, pipeline)
        if notes is None:
            raise CommandFailed(f"pipeline {identifier!r}: was not made from a Metaflow flow, or has no version.")
        return cls(deployer=_deployer(identifier, notes, metadata))

    @classmethod
    def get_triggered_run(
        cls, identifier: str, run_id: str, metadata: str | None = None
    ) -> KubeflowPipelinesTriggeredRun:
        """
        A run of a deployed flow.

        Parameters
        ----------
        identifier : str
            Name of the pipeline.
        run_id : str
            Metaflow's id of the run.
        metadata : str, optional, default None
            Metaflow's metadata provider, as TYPE@INFO.

        Returns
        -------
        KubeflowPipelinesTriggeredRun
            The run.
        """
        deployer = cls.from_deployment(identifier, metadata).deployer
        said = {
            "metadata": deployer.metadata,
            "pathspec": f"{deployer.flow_name}/{run_id}",
            "name": run_id,
        }
        return KubeflowPipelinesTriggeredRun(deployer=deployer, content=json.dumps(said))

    def trigger(self, **kwargs: Any) -> KubeflowPipelinesTriggeredRun:
        """
        Start a run.

        Parameters
        ----------
        **kwargs : Any
            Values of the flow's parameters, and the options of `trigger`: experiment, version_name.

        Returns
        -------
        KubeflowPipelinesTriggeredRun
            The run. RuntimeError with the command's words when it was refused.
        """
        return _started(self.deployer, "trigger", **kwargs)

    def delete(self, **kwargs: Any) -> bool:
        """
        Delete the pipeline with all its versions.

        Parameters
        ----------
        authorize : str, optional, default None
            The deployment's production token, if somebody else made it.

        Returns
        -------
        bool
            True if the command was successful, False otherwise.
        """
        return _succeeds(self.deployer, "delete", **kwargs)


def _server(deployer: Any) -> Server:
    """The server that the deployer's commands would speak to; without one, that of this process's settings."""
    options = {} if deployer is None else deployer.deployer_kwargs
    return console.server(options.get("url"), options.get("kubeflow_namespace"))


def _notes(server: Server, pipeline: Pipeline) -> DeploymentNotes | None:
    """What the newest version says of itself; None when the pipeline is nobody's of ours."""
    try:
        return guard.newest_notes(server, pipeline) if provenance.identity_of(pipeline.description) else None
    except Refused:
        return None


def _deployer(name: str, notes: DeploymentNotes, metadata: str | None) -> Any:
    """A Deployer for a flow whose file is not at hand: for one of the same name, with the same parameters."""
    identity = notes.identity
    text = generate_fake_flow_file_contents(
        flow_name=identity.flow,
        param_info={each.name: _parameter(each) for each in notes.parameters or ()},
        project_name=identity.project,
    )
    # Kept for the life of the process: every command of the deployer runs this file.
    with tempfile.NamedTemporaryFile("w", suffix=".py", delete=False, encoding="utf-8") as file:
        file.write(text)
    plain = Deployer(file.name, env={"METAFLOW_USER": notes.owner}, **_branch(identity))
    deployer = plain.kubeflow_pipelines(**({} if identity.project else {"name": name}))
    deployer.name = name
    deployer.flow_name = identity.flow
    deployer.metadata = get_metadata() if metadata is None else metadata
    return deployer


def _parameter(parameter: TakenParameter) -> dict[str, Any]:
    return {
        "name": parameter.name,
        "python_var_name": "".join(letter if letter.isalnum() else "_" for letter in parameter.name),
        "type": parameter.kind,
        "description": "",
        "is_required": parameter.required,
        "is_text": parameter.is_text,
        "encoding": parameter.encoding,
    }


def _branch(identity: FlowIdentity) -> dict[str, Any]:
    """The options of @project that lead to this branch; none for a user's own, which METAFLOW_USER leads to."""
    kind, _, branch = (identity.branch or "").partition(".")
    match kind:
        case "prod":
            return {"production": True, **({"branch": branch} if branch else {})}
        case "test":
            return {"branch": branch}
        case _:
            return {}


def _command(deployer: Any, name: str, options: dict[str, Any]) -> Any:
    """Start a command; gives what Metaflow keeps of its process."""
    group = get_lower_level_group(deployer.api, deployer.top_level_kwargs, deployer.TYPE, deployer.deployer_kwargs)
    words = getattr(group, name)(**options)
    process = deployer.spm.run_command(
        [sys.executable, *words], env=deployer.env_vars, cwd=deployer.cwd, show_output=deployer.show_output
    )
    return deployer.spm.get(process)


def _succeeds(deployer: Any, name: str, **options: Any) -> bool:
    command = _command(deployer, name, options)
    command.sync_wait()
    return bool(command.process.returncode == 0)


def _started(deployer: Any, name: str, **options: Any) -> KubeflowPipelinesTriggeredRun:
    """The run that a command starts, which writes its id into a pipe."""
    with temporary_fifo() as (path, pipe):
        command = _command(deployer, name, {"deployer_attribute_file": path, **options})
        content = handle_timeout(pipe, command, deployer.file_read_timeout)
        command.sync_wait()
    if command.process.returncode != 0:
        raise CommandFailed(_text(command, "stderr"))
    return KubeflowPipelinesTriggeredRun(deployer=deployer, content=content)


def _output(deployer: Any, name: str, **options: Any) -> str:
    """What a command writes to stdout. It is not shown, whatever the deployer shows of others."""
    shown, deployer.show_output = deployer.show_output, False
    try:
        command = _command(deployer, name, options)
        command.sync_wait()
    finally:
        deployer.show_output = shown
    if command.process.returncode != 0:
        raise CommandFailed(_text(command, "stderr"))
    return _text(command, "stdout")


def _text(command: Any, stream: str) -> str:
    with open(command.log_files[stream], encoding="utf-8", errors="replace") as log:
        return log.read().strip()
