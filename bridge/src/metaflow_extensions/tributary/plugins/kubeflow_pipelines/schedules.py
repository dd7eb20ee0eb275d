"""The recurring run of a flow with @schedule: one for a pipeline, of its name, bound to the newest version.

Kubeflow Pipelines cannot change a recurring run, so another schedule or version means another one. Which is paused
first, and goes last: never are two of them active, and the moment with none is that between two requests. When the new
one cannot be made, the old one goes on.
"""

from dataclasses import dataclass
from typing import Literal

from .provenance import notes_of
from .refusals import Refused
from .server import Pipeline, RecurringRun, Server, Version

Change = Literal["none", "kept", "created", "replaced", "removed"]


@dataclass(frozen=True)
class Kept:
    """What was done about the schedule; `paused` when somebody has switched it off, which is left so."""

    change: Change
    cron: str | None = None
    recurring_run_id: str | None = None
    paused: bool = False


def keep(server: Server, pipeline: Pipeline, version: Version, cron: str | None, experiment: str) -> Kept:
    """Make the pipeline's recurring run say `cron` (Kubeflow's six fields) for this version, or be gone for None."""
    ours = _ours(server, pipeline)
    if cron is None:
        for each in ours:
            server.delete_recurring_run(each)
        return Kept("removed" if ours else "none")
    fitting = [each for each in ours if (each.cron, each.version_id) == (cron, version.id)]
    if fitting:
        for each in ours:
            if each is not fitting[0]:
                server.delete_recurring_run(each)
        return Kept("kept", cron, fitting[0].id, paused=not fitting[0].enabled)
    active = [each for each in ours if each.enabled]
    paused = bool(ours) and not active
    made = _replace(server, pipeline, version, cron, experiment, active, paused)
    for each in ours:
        server.delete_recurring_run(each)
    return Kept("replaced" if ours else "created", cron, made.id, paused)


def remove(server: Server, pipeline: Pipeline) -> None:
    """Delete the pipeline's recurring run, if it has one of ours."""
    for each in _ours(server, pipeline):
        server.delete_recurring_run(each)


def _ours(server: Server, pipeline: Pipeline) -> list[RecurringRun]:
    """Others may have made recurring runs of the same pipeline; only the one of its very name is ours."""
    return [each for each in server.recurring_runs() if each.name == pipeline.name and each.pipeline_id == pipeline.id]


def _replace(
    server: Server,
    pipeline: Pipeline,
    version: Version,
    cron: str,
    experiment: str,
    active: list[RecurringRun],
    paused: bool,
) -> RecurringRun:
    for each in active:
        server.enable_recurring_run(each, enabled=False)
    try:
        noted = notes_of(version.description)
        return server.create_recurring_run(
            pipeline,
            version,
            cron,
            experiment,
            enabled=not paused,
            service_account=noted.service_account if noted else None,
        )
    except Refused:
        for each in active:
            server.enable_recurring_run(each, enabled=True)
        raise
