"""The run and the task that a path means.

Lists look them up first, by whichever name the path uses, and then read by number. So every list reads along the same
index, and the tags of the run, which all its objects are shown with, are fetched once and not with every row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from metadata_service.domain.keys import Key, RunPath, StepPath, TaskPath
from metadata_service.domain.selection import TagFilter
from metadata_service.storage.postgres.conditions import Parameters
from metadata_service.storage.postgres.connections import Connection

# The database's clock, so that several replicas agree. Both count from 1970 in UTC, whatever its time zone is.
NOW_MS = "(extract(epoch FROM statement_timestamp()) * 1000)::bigint"
NOW_S = "extract(epoch FROM statement_timestamp())::bigint"


@dataclass(frozen=True)
class Ancestors:
    """What the rows under a run share."""

    flow_id: str
    run_number: int
    run_id: str | None
    tags: msgspec.Raw | None
    system_tags: msgspec.Raw | None
    task_id: int | None = None

    @property
    def shown_run(self) -> Key:
        return shown(self.run_number, self.run_id)

    def hold(self, filters: Sequence[TagFilter]) -> bool:
        """Whether the run's tags, which are those of all its objects, are wanted."""
        if not filters:
            return True
        tags = {*tag_list(self.tags), *tag_list(self.system_tags)}
        return all(tag_filter.holds(tags) for tag_filter in filters)


def shown(number: int, name: str | None) -> Key:
    """How the API shows a run or a task: by its name if it has one."""
    return number if name is None else name


def tag_list(tags: msgspec.Raw | None) -> tuple[str, ...]:
    """The tags as text. What is not a list of texts, as an older service let in, counts as no tags."""
    try:
        return msgspec.json.decode(tags, type=tuple[str, ...]) if tags is not None else ()
    except msgspec.ValidationError:
        return ()


def run_is(run: Key, alias: str = "r") -> str:
    """The condition that a row of runs is the one of the path. Its parameter is `run`."""
    return f"{alias}.run_number = %(run)s" if isinstance(run, int) else f"{alias}.run_id = %(run)s"


def task_is(task: Key, alias: str = "t") -> str:
    """The condition that a row of tasks is the one of the path. Its parameter is `task`."""
    return f"{alias}.task_id = %(task)s" if isinstance(task, int) else f"{alias}.task_name = %(task)s"


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
        f" WHERE r.flow_id = %(flow)s AND {run_is(path.run)} AND t.step_name = %(step)s AND {task_is(path.task)}"
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
