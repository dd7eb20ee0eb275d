"""The pipeline and the runs of one flow, and nobody else's: every command finds them here, or is refused here."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from . import provenance
from .names import kubeflow_run_id
from .provenance import DeploymentNotes, FlowIdentity
from .refusals import Refused
from .server import NotFound, Pipeline, Run, Server, Version

# Every container of a run is given the URL of the deployment record: <root>/<flow>/data/<2 digits>/<sha1>.
_RECORD_URL = re.compile(r"s3://[^\s\"\\]+/(?P<flow>\w+)/data/[0-9a-f]{2}/(?P<key>[0-9a-f]{40})(?![0-9a-f])")

Recall = Callable[[str], bytes]
"""Gives what lies in the flow's datastore under a key. MetaflowException when that fails."""


@dataclass(frozen=True)
class FlowRun:
    """A run of this flow, and what is known of the deployment that it was made from.

    `pipeline` and `version` are None where they are deleted.
    """

    run: Run
    notes: DeploymentNotes | None
    pipeline: Pipeline | None = None
    version: Version | None = None


def check_pipeline(pipeline: Pipeline, identity: FlowIdentity) -> None:
    """Refused when the pipeline was made from another flow, or from none."""
    found = provenance.identity_of(pipeline.description)
    if found == identity:
        return
    whose = f"is made from flow {found}" if found else "was not made from a Metaflow flow"
    other = (
        "Rename the flow or its branch." if identity.project else "Give another name: kubeflow-pipelines --name NAME."
    )
    raise Refused(f"pipeline {pipeline.name!r}: {whose}, not from flow {identity}. {other}")


def flow_pipeline(server: Server, identity: FlowIdentity, name: str) -> Pipeline:
    """The flow's pipeline. Refused when there is none, or another's."""
    pipeline = server.find_pipeline(name)
    if pipeline is None:
        raise Refused(
            f"pipeline {name!r}: is not on Kubeflow Pipelines at {server.url}. "
            "Deploy it first: kubeflow-pipelines create."
        )
    check_pipeline(pipeline, identity)
    return pipeline


def version(server: Server, pipeline: Pipeline, name: str | None) -> Version:
    """The pipeline's newest version, or the one of this name. Refused when there is none."""
    for each in server.versions(pipeline):
        if name is None or each.name == name:
            return each
    what = "has no version" if name is None else f"has no version {name!r}"
    raise Refused(f"pipeline {pipeline.name!r}: {what}. Deploy one: kubeflow-pipelines create.")


def newest_notes(server: Server, pipeline: Pipeline) -> DeploymentNotes | None:
    """What the newest version that the extension made says of itself; None when it made none."""
    found = (provenance.notes_of(each.description) for each in server.versions(pipeline))
    return next((notes for notes in found if notes is not None), None)


def flow_run(server: Server, identity: FlowIdentity, name: str, run_id: str, recall: Recall) -> FlowRun:
    """The run, given by either of its ids, and whose it is. Refused unless it was made from the flow's pipeline.

    A pipeline may be deleted, and made again, while its runs stay. Such a run is known by the deployment record that
    its containers name, which lies in the flow's own datastore.
    """
    try:
        run = server.run(kubeflow_run_id(run_id))
    except NotFound:
        raise Refused(
            f"run {run_id!r}: Kubeflow Pipelines at {server.url} knows no such run. "
            "Look the id up where the run was started."
        ) from None
    pipeline = server.find_pipeline(name)
    if pipeline is not None and run.pipeline_id == pipeline.id:
        check_pipeline(pipeline, identity)
        made = next((each for each in server.versions(pipeline) if each.id == run.version_id), None)
        notes = provenance.notes_of(made.description) if made else None
        # The newest stands in for a version that is deleted.
        return FlowRun(run, notes or newest_notes(server, pipeline), pipeline, made)
    record = _record(server, identity, run.id, recall)
    if record is None or record.get("pipeline") != name:
        raise Refused(
            f"run {run_id!r}: is no run of pipeline {name!r} of flow {identity}. "
            "Use the flow, and the --name or --branch, that it was started from."
        )
    token = record.get("production_token")
    return FlowRun(run, DeploymentNotes(identity, str(record.get("owner")), token, None))


def _record(server: Server, identity: FlowIdentity, run_id: str, recall: Recall) -> dict[str, Any] | None:
    """The deployment record of a run whose pipeline is gone; None when it has none of this flow."""
    workflow = server.workflow(run_id)
    text = json.dumps(workflow, ensure_ascii=False) if workflow else ""
    keys = {found["key"] for found in _RECORD_URL.finditer(text) if found["flow"] == identity.flow}
    for key in sorted(keys):
        try:
            document = json.loads(recall(key))
        except ValueError:
            continue
        if isinstance(document, dict) and isinstance(record := document.get("record"), dict):
            return record
    return None
