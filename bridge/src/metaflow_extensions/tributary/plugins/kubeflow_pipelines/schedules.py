"""The recurring run of a flow with @schedule: one for a pipeline, of its name, bound to the newest version.

Kubeflow Pipelines cannot change a recurring run, so another schedule or version means another one. Which is paused
first, and goes last: never are two of them active, and the moment with none is that between two requests. When the new
one cannot be made, the old one goes on.
"""

from dataclasses import dataclass
from typing import Literal

from .provenance import Unreadable, identity_of, service_account_of
from .refusals import Refused
from .server import DEFAULT_EXPERIMENT, Pipeline, RecurringRun, Server, Version

Change = Literal["none", "kept", "created", "replaced", "removed"]


@dataclass(frozen=True)
class Kept:
    """What was done about the schedule; `paused` when somebody has switched it off, which is left so."""

    change: Change
    cron: str | None = None
    recurring_run_id: str | None = None
    paused: bool = False


def keep(server: Server, pipeline: Pipeline, version: Version, cron: str | None, experiment: str | None) -> Kept:
    """Make the pipeline's recurring run say `cron` (Kubeflow's six fields) for this version, or be gone for None.

    Its runs go to the experiment of this name, which is made when there is none; without a name to that of the
    recurring run that is there, and of a first one to the default.
    """
    ours = _ours(server, pipeline)
    if cron is None:
        for each in ours:
            server.delete_recurring_run(each)
        return Kept("removed" if ours else "none")
    wanted = _experiment(server, ours, experiment)
    fitting = [each for each in ours if (each.cron, each.version_id, each.experiment_id) == (cron, version.id, wanted)]
    if fitting:
        for each in ours:
            if each is not fitting[0]:
                server.delete_recurring_run(each)
        return Kept("kept", cron, fitting[0].id, paused=not fitting[0].enabled)
    active = [each for each in ours if each.enabled]
    paused = bool(ours) and not active
    made = _replace(server, pipeline, version, cron, wanted, active, paused)
    for each in ours:
        server.delete_recurring_run(each)
    return Kept("replaced" if ours else "created", cron, made.id, paused)


def remove(server: Server, pipeline: Pipeline) -> None:
    """Delete the pipeline's recurring run, if it has one of ours."""
    for each in _ours(server, pipeline):
        server.delete_recurring_run(each)


def _ours(server: Server, pipeline: Pipeline) -> list[RecurringRun]:
    """Others may have made recurring runs of the same pipeline; only the one of its very name is ours. So is one that
    was left when somebody deleted the flow's pipeline without it.
    """
    named = [each for each in server.recurring_runs() if each.name == pipeline.name]
    return [each for each in named if each.pipeline_id == pipeline.id or _is_left(server, pipeline, each)]


def _is_left(server: Server, pipeline: Pipeline, recurring_run: RecurringRun) -> bool:
    """Whether it was made for an earlier pipeline of the same flow, which is gone. Its description says which flow."""
    if recurring_run.pipeline_id is None:
        return False
    try:
        flow = identity_of(recurring_run.description)
    except Unreadable:
        return False
    is_same = flow is not None and flow == identity_of(pipeline.description)
    return is_same and not server.has_pipeline(recurring_run.pipeline_id)


def _experiment(server: Server, ours: list[RecurringRun], name: str | None) -> str:
    """The id of the experiment of the pipeline's scheduled runs."""
    if name is None and ours and ours[0].experiment_id is not None:
        return ours[0].experiment_id
    return server.experiment(name or DEFAULT_EXPERIMENT)


def _replace(
    server: Server,
    pipeline: Pipeline,
    version: Version,
    cron: str,
    experiment_id: str,
    active: list[RecurringRun],
    paused: bool,
) -> RecurringRun:
    for each in active:
        server.enable_recurring_run(each, enabled=False)
    try:
        return server.create_recurring_run(
            pipeline,
            version,
            cron,
            experiment_id,
            enabled=not paused,
            service_account=service_account_of(version.description),
        )
    except Refused:
        for each in active:
            server.enable_recurring_run(each, enabled=True)
        raise
