"""The recurring run of a flow with @schedule: one for a pipeline, of its name, bound to the newest version.

Kubeflow Pipelines cannot change a recurring run, so another schedule or version means another one. It is made switched
off, and its description notes which ones it replaces and whether it is to be active. Then the old ones are paused, the
new one is switched on, and the old ones are deleted. So two are never active, and what is cut short at any of these
requests is made good by the next `create`: while one that is noted is still there, the replacement is unfinished and
the note tells what was meant. Once they are gone, being switched off is the word of somebody who paused it.
"""

import dataclasses
import json
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

from .provenance import Unreadable, describe_pipeline, identity_of, service_account_of
from .refusals import Refused
from .server import DEFAULT_EXPERIMENT, NotFound, Pipeline, RecurringRun, Server, Version

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
    enabled = _is_to_be_enabled(ours)
    # One that is off and is to be on is never switched on: Kubeflow Pipelines would at once make up for the last time
    # that it missed, which another may have run. Another is made in its place.
    fitting = [
        each
        for each in ours
        if (each.cron, each.version_id, each.experiment_id, each.enabled) == (cron, version.id, wanted, enabled)
    ]
    if fitting:
        for each in ours:
            if each is not fitting[0]:
                server.delete_recurring_run(each)
        return Kept("kept", cron, fitting[0].id, paused=not enabled)
    made = _replace(server, pipeline, version, cron, wanted, ours, enabled)
    return Kept("replaced" if ours else "created", cron, made.id, paused=not enabled)


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
    if name is None and ours and (before := _current(ours).experiment_id) is not None:
        return before
    return server.experiment(name or DEFAULT_EXPERIMENT)


def _replace(
    server: Server,
    pipeline: Pipeline,
    version: Version,
    cron: str,
    experiment_id: str,
    ours: list[RecurringRun],
    enabled: bool,
) -> RecurringRun:
    """Make one in the place of `ours`, see above. A first one is active from the start: nothing runs beside it, and a
    single one that is off would be taken for paused.
    """
    account = service_account_of(version.description)
    noted = dataclasses.replace(pipeline, description=_with_note(pipeline.description, ours, enabled))
    made = server.create_recurring_run(noted, version, cron, experiment_id, enabled=not ours, service_account=account)
    others = _without_rivals(server, pipeline, made, ours)
    if ours and enabled:
        _pause(server, others)
        try:
            server.enable_recurring_run(made, enabled=True)
        except NotFound:
            raise _overtaken(pipeline) from None
    for each in others:
        server.delete_recurring_run(each)
    return made


def _pause(server: Server, recurring_runs: Iterable[RecurringRun]) -> None:
    """Also what was off when it was last seen: another `create` may have switched it on since, or deleted it."""
    for each in recurring_runs:
        with suppress(NotFound):
            server.enable_recurring_run(each, enabled=False)


def _without_rivals(
    server: Server, pipeline: Pipeline, made: RecurringRun, ours: list[RecurringRun]
) -> list[RecurringRun]:
    """All of ours beside `made`, as they are now. Refused when another `create` at the same time has made one that goes
    before it: one that replaces it, or else the one of the lower id.

    Both look after both have made theirs, or the later one does; so one of them at least sees the other, and by the
    same rule for both they never give way to each other.
    """
    now = _ours(server, pipeline)
    others = [each for each in now if each.id != made.id]
    if len(others) == len(now) or any(made.id in _note(each).replaces for each in others):
        # Left for the other to delete: if that is cut short, its note must name one that is still there.
        raise _overtaken(pipeline)
    known = {each.id for each in ours}
    if any(each.id not in known and each.id < made.id for each in others):
        server.delete_recurring_run(made)
        raise _overtaken(pipeline)
    return others


def _overtaken(pipeline: Pipeline) -> Refused:
    return Refused(
        f"pipeline {pipeline.name!r}: another `create` has replaced its schedule at the same time. "
        "Say `create` again when the other has ended."
    )


@dataclass(frozen=True)
class _Note:
    """What the description of a recurring run says of the replacement that it was made in."""

    replaces: frozenset[str] = frozenset()
    enabled: bool = False


def _with_note(description: str, ours: list[RecurringRun], enabled: bool) -> str:
    """The pipeline's description with a note for the one that takes the place of `ours`; as it is for a first one."""
    identity = identity_of(description)
    if identity is None or not ours:
        return description
    sentence, _, line = describe_pipeline(identity).partition("\n")
    document = json.loads(line) | {"replaces": [each.id for each in ours], "enabled": enabled}
    return f"{sentence}\n{json.dumps(document, sort_keys=True, separators=(',', ':'))}"


def _note(recurring_run: RecurringRun) -> _Note:
    """Its note; an empty one for those of earlier versions of the extension, and of anybody else."""
    try:
        document = json.loads(recurring_run.description.partition("\n")[2])
    except ValueError:
        return _Note()
    replaces = document.get("replaces") if isinstance(document, dict) else None
    if not isinstance(replaces, list):
        return _Note()
    return _Note(frozenset(map(str, replaces)), document.get("enabled") is True)


def _is_unfinished(recurring_run: RecurringRun, ours: list[RecurringRun]) -> bool:
    return any(each.id in _note(recurring_run).replaces for each in ours)


def _current(ours: list[RecurringRun]) -> RecurringRun:
    """The one by which the others go: an active one, or that of the last unfinished replacement, or the first."""
    replaced = frozenset[str]().union(*(_note(each).replaces for each in ours))
    return max(ours, key=lambda each: (each.enabled, _is_unfinished(each, ours), each.id not in replaced))


def _is_to_be_enabled(ours: list[RecurringRun]) -> bool:
    """Whether the flow is to run by itself: a first schedule is, one that somebody paused is not."""
    if not ours:
        return True
    current = _current(ours)
    return current.enabled or (_is_unfinished(current, ours) and _note(current).enabled)
