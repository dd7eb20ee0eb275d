"""Artifacts on PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence

from metadata_service.domain.drafts import NewArtifact
from metadata_service.domain.keys import RunPath, StepPath, TaskPath
from metadata_service.domain.records import Artifact
from metadata_service.domain.selection import Listing, Order, Selection, Take
from metadata_service.storage.lineage import Ancestors
from metadata_service.storage.postgres.ancestors import find_ancestors, path_parameters, task_of_run
from metadata_service.storage.postgres.below_task import insert_below_task
from metadata_service.storage.postgres.conditions import Conditions
from metadata_service.storage.postgres.connections import Connection, Connections, Reading
from metadata_service.storage.postgres.lists import Ask, Question, give_list, read_list
from metadata_service.storage.rows import ARTIFACT_COLUMNS, as_artifact, no_artifact
from metadata_service.storage.selecting import paged

_TYPES = {
    "name": "text",
    "location": "text",
    "ds_type": "text",
    "sha": "text",
    "type": "text",
    "content_type": "text",
    "user_name": "text",
    "attempt_id": "smallint",
    "tags": "jsonb",
    "system_tags": "jsonb",
}
"""The columns of an artifact that its draft gives, by the names of its fields."""

_SAME_TASK = (
    "{0}.flow_id = t.flow_id AND {0}.run_number = t.run_number"
    " AND {0}.step_name = t.step_name AND {0}.task_id = t.task_id"
)


class PostgresArtifacts:
    def __init__(self, connections: Connections, reading: Reading) -> None:
        self._connections = connections
        self._reading = reading

    async def record(self, path: TaskPath, drafts: Sequence[NewArtifact]) -> int:
        return await insert_below_task(
            self._connections, path, "artifact_v3", _TYPES, drafts, conflict="ON CONFLICT DO NOTHING"
        )

    async def get(self, path: TaskPath, name: str, attempt: int | None) -> Artifact:
        # An attempt need not record what an earlier one did. The artifact called "name", which every attempt records,
        # tells which attempt is the latest; where it is missing, any artifact does.
        of_task = _SAME_TASK.format("n")
        latest = (
            f"coalesce((SELECT max(n.attempt_id) FROM artifact_v3 AS n WHERE {of_task} AND n.name = 'name'),"
            f" (SELECT max(n.attempt_id) FROM artifact_v3 AS n WHERE {of_task}))"
        )
        parameters = {**path_parameters(path), "name": name, "attempt": attempt}
        query = f"""
            SELECT r.flow_id, r.run_number, r.run_id, r.tags, r.system_tags, {ARTIFACT_COLUMNS}
            FROM ({_task_and_run(path)}) AS t
            JOIN runs_v3 AS r ON r.flow_id = t.flow_id AND r.run_number = t.run_number
            JOIN artifact_v3 AS a ON {_SAME_TASK.format("a")}
            WHERE a.name = %(name)s AND a.attempt_id = {latest if attempt is None else "%(attempt)s"}
        """
        async with self._connections.connection() as connection:
            row = await (await connection.execute(query, parameters)).fetchone()
        if row is None:
            raise no_artifact(path, name)
        return as_artifact(Ancestors(*row[:5]), row[5:])

    async def list(self, scope: RunPath | StepPath | TaskPath, selection: Selection) -> Listing[Artifact]:
        return await read_list(self._reading, _latest(scope, selection), selection.page, Order.ARTIFACTS)

    async def give(self, scope: RunPath | StepPath, selection: Selection, take: Take[Artifact]) -> None:
        await give_list(self._reading, _latest(scope, selection), take)

    async def list_of_attempt(self, path: TaskPath, attempt: int) -> Listing[Artifact]:
        async def ask(connection: Connection) -> Question[Artifact] | None:
            run = await find_ancestors(connection, path)
            if run is None:
                return None
            conditions = Conditions({})
            inner = _within(conditions, run, path)
            query = (
                f"SELECT {ARTIFACT_COLUMNS} FROM artifact_v3 AS a WHERE {inner}"
                f" AND a.attempt_id = {conditions.bind(attempt)} ORDER BY a.ts_epoch, a.name"
            )
            return query, conditions.parameters, lambda row: as_artifact(run, row)

        return await read_list(self._reading, ask, None, Order.ARTIFACTS)


def _latest(scope: RunPath | StepPath | TaskPath, selection: Selection) -> Ask[Artifact]:
    """The artifacts of the latest attempt of each task."""

    async def ask(connection: Connection) -> Question[Artifact] | None:
        run = await find_ancestors(connection, scope)
        if run is None or not run.hold(selection.tags):
            return None
        conditions = Conditions({})
        tail = paged(conditions, selection.page, Order.ARTIFACTS, "a")
        inner = _within(conditions, run, scope)
        # The window goes over the rows once. A join with the latest attempts is a loop in a loop where the planner
        # takes a run for small, which it does until its rows are counted.
        query = f"""
            SELECT {ARTIFACT_COLUMNS} FROM (
                SELECT {ARTIFACT_COLUMNS}, max(a.attempt_id) OVER (PARTITION BY a.task_id) AS latest
                FROM artifact_v3 AS a WHERE {inner}
            ) AS a WHERE a.attempt_id = a.latest AND {conditions.sql()} {tail}
        """
        return query, conditions.parameters, lambda row: as_artifact(run, row)

    return ask


def _task_and_run(path: TaskPath) -> str:
    return f"SELECT t.flow_id, t.run_number, t.step_name, t.task_id {task_of_run(path)}"


def _within(conditions: Conditions, run: Ancestors, scope: RunPath | StepPath | TaskPath) -> str:
    """The condition that an artifact belongs to the run, step or task."""
    parts = [f"a.flow_id = {conditions.bind(run.flow_id)}", f"a.run_number = {conditions.bind(run.run_number)}"]
    if not isinstance(scope, RunPath):
        parts.append(f"a.step_name = {conditions.bind(scope.step_name)}")
    if isinstance(scope, TaskPath):
        parts.append(f"a.task_id = {conditions.bind(run.task_id)}")
    return " AND ".join(parts)
