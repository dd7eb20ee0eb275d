"""What Metaflow's Deployer API gives for a flow on Kubeflow Pipelines.

Each method that changes something runs the command of the same name, with the Deployer's environment, folder and
profile: so the rules stand in one place, and what is refused on the command line is refused here, with the same words.
"""

import json
import re
import shutil
import tempfile
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from metaflow.client.core import get_metadata
from metaflow.runner.deployer import DeployedFlow, Deployer, generate_fake_flow_file_contents

from . import console, guard, provenance
from .door import CommandFailed, succeeds
from .provenance import DeploymentNotes, FlowIdentity, TakenParameter
from .server import Pipeline, Server
from .triggered_run import KubeflowPipelinesTriggeredRun, started

# The types of parameters that the file of a flow that is not at hand can name.
_KINDS = ("str", "int", "float", "bool", "JSON", "FilePath")


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
            try:
                notes = _notes(server, pipeline)
            except provenance.Unreadable:
                # Another version of the extension made it; it is told when it is asked for by name.
                continue
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
        return started(self.deployer, "trigger", **kwargs)

    def delete(self, authorize: str | None = None, **kwargs: Any) -> bool:
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
        return succeeds(self.deployer, "delete", authorize=authorize, **kwargs)


def _server(deployer: Any) -> Server:
    """The server that the deployer's commands would speak to; without one, that of this process's settings."""
    options = {} if deployer is None else deployer.deployer_kwargs
    return console.server(options.get("url"), options.get("kubeflow_namespace"))


def _notes(server: Server, pipeline: Pipeline) -> DeploymentNotes | None:
    """What the newest version says of itself; None when the pipeline is nobody's of ours. Unreadable when it cannot be
    read, and Refused when the server does not answer.
    """
    return guard.newest_notes(server, pipeline) if provenance.identity_of(pipeline.description) else None


def _deployer(name: str, notes: DeploymentNotes, metadata: str | None) -> Any:
    """A Deployer for a flow whose file is not at hand: for one of the same name, with the same parameters."""
    identity = notes.identity
    text = generate_fake_flow_file_contents(
        flow_name=identity.flow,
        param_info={each.name: _parameter(each) for each in notes.parameters or ()},
        project_name=identity.project,
    )
    folder = Path(tempfile.mkdtemp(prefix="tributary-"))
    file = folder / "flow.py"
    file.write_text(text, encoding="utf-8")
    plain = Deployer(str(file), env=_names_branch(identity), **_branch(identity))
    deployer = plain.kubeflow_pipelines(**({} if identity.project else {"name": name}))
    # Every command of the deployer runs the file.
    weakref.finalize(deployer, shutil.rmtree, folder)
    deployer.name = name
    deployer.flow_name = identity.flow
    deployer.metadata = get_metadata() if metadata is None else metadata
    return deployer


def _parameter(parameter: TakenParameter) -> dict[str, Any]:
    """The parameter as generate_fake_flow_file_contents() takes it, which puts the words between quotes as they are."""
    return {
        "name": _quotable(parameter.name),
        # No word of Python's, and no member of the flow, begins so.
        "python_var_name": "parameter_" + re.sub(r"\W", "_", parameter.name, flags=re.ASCII),
        # A value of any other type is a text on the command line, which the flow's own type reads in the pod.
        "type": parameter.kind if parameter.kind in _KINDS else "str",
        "description": "",
        "is_required": parameter.required,
        "is_text": parameter.is_text,
        "encoding": _quotable(parameter.encoding),
    }


def _quotable(text: str) -> str:
    return text.replace("\\", "\\\\").replace("'", "\\'")


def _names_branch(identity: FlowIdentity) -> dict[str, str]:
    """The variable by which @project takes a user's own branch for this process's. Metaflow reads it for this name
    only, so that whoever runs a command is still asked for the production token of another's deployment.
    """
    kind, _, user = (identity.branch or "").partition(".")
    return {"METAFLOW_OWNER": user} if kind == "user" else {}


def _branch(identity: FlowIdentity) -> dict[str, Any]:
    """The options of @project that lead to this branch; none for a user's own, to which a variable leads."""
    kind, _, branch = (identity.branch or "").partition(".")
    match kind:
        case "prod":
            return {"production": True, **({"branch": branch} if branch else {})}
        case "test":
            return {"branch": branch}
        case _:
            return {}
