"""How rows become records and drafts become rows, in every store."""

from __future__ import annotations

import msgspec

from metadata_service.domain.drafts import Tags
from metadata_service.domain.keys import RunPath, TaskPath
from metadata_service.domain.records import Artifact, Task
from metadata_service.domain.refusals import NotFound
from metadata_service.storage.lineage import Ancestors, shown
from metadata_service.storage.selecting import Row

ARTIFACT_COLUMNS = (
    "a.ts_epoch, a.task_id, a.name, a.step_name, a.task_name,"
    " a.location, a.ds_type, a.sha, a.type, a.content_type, a.user_name, a.attempt_id"
)
"""Of a row of artifacts: the sort key first, then the rest in the order in which `as_artifact` takes it."""

METADATA_COLUMNS = (
    "m.ts_epoch, m.id, m.step_name, m.task_id, m.task_name,"
    " m.field_name, m.value, m.type, m.user_name, m.tags, m.system_tags"
)
"""Of a row of metadata: the sort key first."""

TASK_COLUMNS = "t.ts_epoch, t.task_id, t.step_name, t.task_name, t.user_name, t.last_heartbeat_ts"
"""Of a row of tasks: the sort key first, then the rest in the order in which `as_task` takes it."""


ORIGIN = "origin-run-id"
"""The metadata field in which a cloned task names the run that it was cloned from. Clients read on there."""

RECENT_MS = 86_400_000
RECENT_MOST = 1000
"""Which runs are counted by status: those of the last day, and of these so many at most."""


def as_json(tags: Tags) -> str:
    """Tags for a column. None becomes JSON's null, as upstream stores it: SQL's would blank PostgreSQL's tag index."""
    return msgspec.json.encode(tags).decode()


def as_artifact(run: Ancestors, row: Row) -> Artifact:
    """The artifact of a row of ARTIFACT_COLUMNS, under its run."""
    ts_epoch, task_id, name, step_name, task_name, *rest = row
    location, ds_type, sha, kind, content_type, user_name, attempt_id = rest
    return Artifact(
        flow_id=run.flow_id,
        run_number=run.shown_run,
        step_name=step_name,
        task_id=shown(task_id, task_name),
        name=name,
        location=location,
        ds_type=ds_type,
        sha=sha,
        type=kind,
        content_type=content_type,
        user_name=user_name,
        attempt_id=attempt_id,
        ts_epoch=ts_epoch,
        tags=run.tags,
        system_tags=run.system_tags,
    )


def as_task(run: Ancestors, row: Row) -> Task:
    """The task of a row of TASK_COLUMNS, under its run."""
    ts_epoch, task_id, step_name, task_name, user_name, last_heartbeat_ts = row
    return Task(
        flow_id=run.flow_id,
        run_number=run.shown_run,
        step_name=step_name,
        task_id=shown(task_id, task_name),
        user_name=user_name,
        ts_epoch=ts_epoch,
        last_heartbeat_ts=last_heartbeat_ts,
        tags=run.tags,
        system_tags=run.system_tags,
    )


def no_run(path: RunPath) -> NotFound:
    """The run of the path is not recorded."""
    return NotFound(f"Run {path.run!r} of flow {path.flow_id!r} does not exist.")


def no_task(path: TaskPath) -> NotFound:
    """The task of the path is not recorded."""
    return NotFound(f"Task {path.task!r} of step {path.step_name!r} of run {path.run!r} does not exist.")


def no_artifact(path: TaskPath, name: str) -> NotFound:
    """The task of the path, or this attempt of it, has not recorded the artifact."""
    return NotFound(f"Artifact {name!r} of task {path.task!r} of run {path.run!r} does not exist.")
