"""What can be done with a run that has ended: resume it as a new run, or have its failed tasks run again."""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timezone
from itertools import islice
from typing import Any

from . import deploy, deployed_steps, guard, names, tokens
from .describe import UNSET
from .pod.origin import Origin
from .provenance import FlowIdentity, service_account_of
from .refusals import Refused
from .server import DEFAULT_EXPERIMENT, Run, Server, Version

ENDED = ("SUCCEEDED", "FAILED", "CANCELED", "SKIPPED")

_KUBEFLOW_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

Began = Callable[[str], bool]
"""Whether the datastore holds the parameters of the run of this Metaflow id."""


def resume(
    server: Server,
    of: FlowIdentity,
    name: str,
    run_id: str,
    *,
    recall: guard.Recall,
    step_to_rerun: str | None,
    began: Began,
    version_name: str | None,
    experiment: str | None,
) -> str:
    """Start a run of the newest version, or of the one named, that takes over what ended well in an older run.

    That may be a run of this pipeline, or one that Kubeflow Pipelines knows nothing of, as those of a laptop. Its
    parameters are the older run's. Gives the new run's id. Refused when there is nothing to take over yet, or the run
    is another pipeline's.
    """
    origin = _origin(server, of, name, run_id, recall)
    if not began(origin):
        raise Refused(
            f"run {origin}: its parameters are not in the datastore, so nothing of it can be taken over. "
            "Start a new run: kubeflow-pipelines trigger."
        )
    pipeline = guard.flow_pipeline(server, of, name)
    version = guard.version(server, pipeline, version_name)
    found = server.documents(pipeline, version)
    inputs = _inputs(deployed_steps.pipeline_spec(found))
    if names.ORIGIN_INPUT not in inputs:
        raise Refused(
            f"pipeline {name!r}: its version {version.name!r} cannot resume, an older extension made it. "
            "Deploy the flow again: kubeflow-pipelines create."
        )
    steps = deployed_steps.steps(found)
    if step_to_rerun is not None and step_to_rerun not in steps:
        raise Refused(
            f"step {step_to_rerun!r}: is no step of the deployed flow. Its steps are {', '.join(sorted(steps))}."
        )
    given = {each: UNSET for each, needed in inputs.items() if needed}
    given[names.ORIGIN_INPUT] = Origin(origin, step_to_rerun).to_text()
    now = datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M:%S")
    started = server.start_run(
        pipeline,
        version,
        f"{name} {now}",
        given,
        experiment or DEFAULT_EXPERIMENT,
        service_account_of(version.description),
    )
    return names.run_id(started)


def retry(
    server: Server, of: FlowIdentity, name: str, run_id: str, recall: guard.Recall, authorize: str | None = None
) -> str:
    """Have what failed in an ended run run again, in the same run; gives its id. Refused when nothing failed."""
    found = guard.flow_run(server, of, name, run_id, recall)
    tokens.check(name, found.notes, deploy.owner(of, name), authorize, "retry")
    run = found.run
    known = names.run_id(run.id)
    if run.state == "SUCCEEDED":
        raise Refused(
            f"run {known}: has succeeded, there is nothing to retry. "
            f"To run steps again, start a new run: kubeflow-pipelines resume {known} --step-to-rerun STEP."
        )
    if run.state not in ENDED:
        raise Refused(f"run {known}: has not ended ({run.state.lower()}). Wait for its end, or terminate it first.")
    server.retry(run.id)
    return known


def recent(server: Server, of: FlowIdentity, name: str, most: int) -> list[Run]:
    """The newest runs of the flow's pipeline."""
    return list(islice(server.runs(guard.flow_pipeline(server, of, name)), most))


def versions(server: Server, of: FlowIdentity, name: str) -> Iterator[Version]:
    """The versions of the flow's pipeline, newest first."""
    return server.versions(guard.flow_pipeline(server, of, name))


def _inputs(spec: Mapping[str, Any]) -> Mapping[str, bool]:
    """The pipeline inputs that a spec declares, and whether a run must give a value for each."""
    declared = ((spec.get("root") or {}).get("inputDefinitions") or {}).get("parameters") or {}
    return {
        name: "defaultValue" not in parameter and not parameter.get("isOptional")
        for name, parameter in declared.items()
    }


def _origin(server: Server, of: FlowIdentity, name: str, run_id: str, recall: guard.Recall) -> str:
    """Metaflow's id of the run to resume."""
    own = run_id.rsplit("/", 1)[-1]
    if not own.startswith(names.RUN_PREFIX) and not _KUBEFLOW_ID.fullmatch(own):
        return own
    run = guard.flow_run(server, of, name, own, recall).run
    if run.state not in ENDED:
        raise Refused(
            f"run {names.run_id(run.id)}: has not ended ({run.state.lower()}). Wait for its end, or terminate it first."
        )
    return names.run_id(run.id)
