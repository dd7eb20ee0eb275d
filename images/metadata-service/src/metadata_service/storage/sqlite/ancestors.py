"""The run and the task that a path means, by number or by name."""

from __future__ import annotations

import sqlite3
import time

import msgspec

from metadata_service.domain.keys import Key, RunPath, StepPath, TaskPath
from metadata_service.domain.refusals import NotFound
from metadata_service.storage.lineage import Ancestors
from metadata_service.storage.selecting import Parameters


def now_ms() -> int:
    """Milliseconds since 1970 in UTC."""
    return time.time_ns() // 1_000_000


def now_s() -> int:
    """Seconds since 1970 in UTC."""
    return int(time.time())


def raw(tags: str | None) -> msgspec.Raw | None:
    """Tags from a column."""
    return None if tags is None else msgspec.Raw(tags)


def run_is(run: Key, alias: str = "r") -> str:
    """The condition that a row of runs is the one of the path. Its parameter is `run`."""
    return f"{alias}.run_number = :run" if isinstance(run, int) else f"{alias}.run_id = :run"


def task_is(task: Key, alias: str = "t") -> str:
    """The condition that a row of tasks is the one of the path. Its parameter is `task`."""
    return f"{alias}.task_id = :task" if isinstance(task, int) else f"{alias}.task_name = :task"


def path_parameters(path: RunPath | StepPath | TaskPath) -> Parameters:
    """The parameters that `run_is` and `task_is` speak of, with flow and step."""
    parameters: Parameters = {"flow": path.flow_id, "run": path.run}
    if not isinstance(path, RunPath):
        parameters["step"] = path.step_name
    if isinstance(path, TaskPath):
        parameters["task"] = path.task
    return parameters


def task_of_run(path: TaskPath) -> str:
    """FROM and WHERE of the task of a path (t) and its run (r)."""
    return (
        "FROM runs_v3 AS r JOIN tasks_v3 AS t ON t.flow_id = r.flow_id AND t.run_number = r.run_number"
        f" WHERE r.flow_id = :flow AND {run_is(path.run)} AND t.step_name = :step AND {task_is(path.task)}"
    )


def find_ancestors(connection: sqlite3.Connection, path: RunPath | StepPath | TaskPath) -> Ancestors | None:
    """The run of the path, and its task if the path names one. None when there is no such thing."""
    columns = "r.flow_id, r.run_number, r.run_id, r.tags, r.system_tags"
    if isinstance(path, TaskPath):
        query = f"SELECT {columns}, t.task_id, t.task_name {task_of_run(path)}"
    else:
        query = f"SELECT {columns}, NULL, NULL FROM runs_v3 AS r WHERE r.flow_id = :flow AND {run_is(path.run)}"
    row = connection.execute(query, path_parameters(path)).fetchone()
    if row is None:
        return None
    flow_id, number, name, tags, system_tags, task_id, task_name = row
    return Ancestors(flow_id, number, name, raw(tags), raw(system_tags), task_id, task_name)


def need_ancestors(connection: sqlite3.Connection, path: RunPath | StepPath | TaskPath) -> Ancestors:
    """The same. Raises NotFound."""
    found = find_ancestors(connection, path)
    if found is None:
        what = f"Task {path.task!r} of run" if isinstance(path, TaskPath) else "Run"
        raise NotFound(f"{what} {path.run!r} of flow {path.flow_id!r} does not exist. Record it first.")
    return found


def next_number(connection: sqlite3.Connection, of: str) -> int:
    """The next number of a run or a task."""
    (number,) = connection.execute("UPDATE numbers SET last = last + 1 WHERE of = ? RETURNING last", [of]).fetchone()
    return int(number)
