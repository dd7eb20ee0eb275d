"""The run and the task that a path means, looked up before what lies below them is read.

So all that belongs to a run is read by numbers along one index, and the tags of the run, which all of it is shown with,
are read once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from metadata_service.domain.keys import RunPath, StepPath, TaskPath
from metadata_service.storage.rows import no_task
from metadata_service.storage.selecting import Parameters
from ui_backend.reading.databases import Database
from ui_backend.reading.runs import no_run


@dataclass(frozen=True)
class Scope:
    """A run, a step of it or a task of that, by the numbers in the database."""

    flow_id: str
    run_number: int
    run_id: str | None
    tags: Any
    system_tags: Any
    step_name: str | None = None
    task_id: int | None = None
    task_name: str | None = None

    @property
    def shared(self) -> dict[str, Any]:
        """What all records below the run have in common."""
        return {
            "flow_id": self.flow_id,
            "run_number": self.run_number,
            "run_id": self.run_id,
            "tags": self.tags,
            "system_tags": self.system_tags,
        }

    @property
    def parameters(self) -> Parameters:
        """Of the condition."""
        parts = {"flow": self.flow_id, "run": self.run_number, "step": self.step_name, "task": self.task_id}
        return {name: value for name, value in parts.items() if value is not None}

    def condition(self, alias: str) -> str:
        """That a row of this alias lies in here."""
        parts = [f"{alias}.flow_id = %(flow)s", f"{alias}.run_number = %(run)s"]
        if self.step_name is not None:
            parts.append(f"{alias}.step_name = %(step)s")
        if self.task_id is not None:
            parts.append(f"{alias}.task_id = %(task)s")
        return " AND ".join(parts)


async def find(database: Database, path: RunPath | StepPath | TaskPath) -> Scope:
    """Raises NotFound for a run or a task that is not recorded. A step is not looked for."""
    dialect = database.dialect
    columns = "r.flow_id, r.run_number, r.run_id, r.tags, r.system_tags"
    run = f"r.flow_id = %(flow)s AND {dialect.run_is(path)}"
    if isinstance(path, TaskPath):
        task = dialect.task_is(path)
        query = (
            f"SELECT {columns}, t.step_name, t.task_id, t.task_name FROM runs_v3 AS r JOIN tasks_v3 AS t"
            " ON t.flow_id = r.flow_id AND t.run_number = r.run_number"
            f" WHERE {run} AND t.step_name = %(step)s AND {task}"
        )
    else:
        query = f"SELECT {columns} FROM runs_v3 AS r WHERE {run}"
    rows = await database.rows(query, dialect.path_parameters(path))
    if not rows:
        raise no_task(path) if isinstance(path, TaskPath) else no_run(RunPath(path.flow_id, path.run))
    flow_id, number, name, tags, system_tags, *below = rows[0]
    if isinstance(path, StepPath):
        below = [path.step_name]
    return Scope(flow_id, number, name, dialect.raw(tags), dialect.raw(system_tags), *below)
