"""The run and the task that a path means.

Lists look them up first, by whichever name the path uses, and then read by number. So every list reads along the same
index, and the tags of the run, which all its objects are shown with, are fetched once and not with every row.

A run that came from local metadata has a number that its column cannot hold, and its tasks have numbers of their own
beside those of all others. Here these numbers are names, which no other run or task can have.
"""

from __future__ import annotations

from metadata_service.domain.keys import MAX_GIVEN, Key, RunPath, StepPath, TaskPath
from metadata_service.storage.lineage import Ancestors
from metadata_service.storage.postgres.connections import Connection
from metadata_service.storage.selecting import Parameters

# The database's clock, so that several replicas agree. Both count from 1970 in UTC, whatever its time zone is.
NOW_MS = "(extract(epoch FROM statement_timestamp()) * 1000)::bigint"
NOW_S = "extract(epoch FROM statement_timestamp())::bigint"


def run_is(run: Key, alias: str = "r") -> str:
    """The condition that a row of runs is the one of the path. Its parameter is `run`."""
    return f"{alias}.run_id = %(run)s" if isinstance(_run(run), str) else f"{alias}.run_number = %(run)s"


def task_is(path: TaskPath, alias: str = "t") -> str:
    """The condition that a row of tasks is the one of the path. Its parameter is `task`."""
    return f"{alias}.task_name = %(task)s" if isinstance(_task(path), str) else f"{alias}.task_id = %(task)s"


def path_parameters(path: RunPath | StepPath | TaskPath) -> Parameters:
    """The parameters that `run_is` and `task_is` speak of, with flow and step."""
    parameters: Parameters = {"flow": path.flow_id, "run": _run(path.run)}
    if not isinstance(path, RunPath):
        parameters["step"] = path.step_name
    if isinstance(path, TaskPath):
        parameters["task"] = _task(path)
    return parameters


def _run(run: Key) -> Key:
    return str(run) if isinstance(run, int) and run > MAX_GIVEN else run


def _task(path: TaskPath) -> Key:
    return str(path.task) if isinstance(path.run, int) and path.run > MAX_GIVEN else path.task


def task_of_run(path: TaskPath) -> str:
    """FROM and WHERE of the task of a path (t) and its run (r)."""
    return (
        "FROM runs_v3 AS r JOIN tasks_v3 AS t ON t.flow_id = r.flow_id AND t.run_number = r.run_number"
        f" WHERE r.flow_id = %(flow)s AND {run_is(path.run)} AND t.step_name = %(step)s AND {task_is(path)}"
    )


async def find_ancestors(connection: Connection, path: RunPath | StepPath | TaskPath) -> Ancestors | None:
    """The run of the path, and its task if the path names one. None when there is no such thing."""
    columns = "r.flow_id, r.run_number, r.run_id, r.tags, r.system_tags"
    if isinstance(path, TaskPath):
        query = f"SELECT {columns}, t.task_id {task_of_run(path)}"
    else:
        query = f"SELECT {columns} FROM runs_v3 AS r WHERE r.flow_id = %(flow)s AND {run_is(path.run)}"
    row = await (await connection.execute(query, path_parameters(path))).fetchone()
    return None if row is None else Ancestors(*row)
