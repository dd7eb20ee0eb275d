"""Artifacts in SQLite."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from metadata_service.domain.drafts import NewArtifact
from metadata_service.domain.keys import RunPath, StepPath, TaskPath
from metadata_service.domain.records import Artifact
from metadata_service.domain.selection import Listing, Order, Selection, Take
from metadata_service.storage.lineage import Ancestors
from metadata_service.storage.rows import ARTIFACT_COLUMNS, as_artifact, as_json, no_artifact
from metadata_service.storage.selecting import paged
from metadata_service.storage.sqlite.ancestors import find_ancestors, need_ancestors, now_ms
from metadata_service.storage.sqlite.conditions import Conditions
from metadata_service.storage.sqlite.connections import Connections
from metadata_service.storage.sqlite.lists import Ask, Question, give_list, read_list

_INSERT = (
    "INSERT INTO artifact_v3 (flow_id, run_number, run_id, step_name, task_id, task_name, ts_epoch, name, location,"
    " ds_type, sha, type, content_type, user_name, attempt_id, tags, system_tags)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
)


class SqliteArtifacts:
    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def record(self, path: TaskPath, drafts: Sequence[NewArtifact]) -> int:
        rows = [
            (
                draft.name,
                draft.location,
                draft.ds_type,
                draft.sha,
                draft.type,
                draft.content_type,
                draft.user_name,
                draft.attempt_id,
                as_json(draft.tags),
                as_json(draft.system_tags),
            )
            for draft in drafts
        ]

        def work(connection: sqlite3.Connection) -> int:
            task = need_ancestors(connection, path)
            head = (task.flow_id, task.run_number, task.run_id, path.step_name, task.task_id, task.task_name, now_ms())
            return max(0, connection.executemany(_INSERT, [head + row for row in rows]).rowcount)

        return await self._connections.write(work)

    async def get(self, path: TaskPath, name: str, attempt: int | None) -> Artifact:
        def work(connection: sqlite3.Connection) -> Artifact | None:
            task = find_ancestors(connection, path)
            if task is None:
                return None
            conditions = _within(task, path)
            if attempt is None:
                # An attempt need not record what an earlier one did. The artifact called "name", which every attempt
                # records, tells which attempt is the latest; where it is missing, any artifact does.
                latest = f"SELECT max(a.attempt_id) FROM artifact_v3 AS a WHERE {conditions.sql()}"
                wanted = f"coalesce(({latest} AND a.name = 'name'), ({latest}))"
            else:
                wanted = conditions.bind(attempt)
            conditions.add(f"a.attempt_id = {wanted} AND a.name = {conditions.bind(name)}")
            query = f"SELECT {ARTIFACT_COLUMNS} FROM artifact_v3 AS a WHERE {conditions.sql()}"
            row = connection.execute(query, conditions.parameters).fetchone()
            return None if row is None else as_artifact(task, row)

        artifact = await self._connections.read(work)
        if artifact is None:
            raise no_artifact(path, name)
        return artifact

    async def list(self, scope: RunPath | StepPath | TaskPath, selection: Selection) -> Listing[Artifact]:
        return await read_list(self._connections, _latest(scope, selection), selection.page, Order.ARTIFACTS)

    async def give(self, scope: RunPath | StepPath, selection: Selection, take: Take[Artifact]) -> None:
        await give_list(self._connections, _latest(scope, selection), take)

    async def list_of_attempt(self, path: TaskPath, attempt: int) -> Listing[Artifact]:
        def ask(connection: sqlite3.Connection) -> Question[Artifact] | None:
            task = find_ancestors(connection, path)
            if task is None:
                return None
            conditions = _within(task, path)
            conditions.add(f"a.attempt_id = {conditions.bind(attempt)}")
            query = (
                f"SELECT {ARTIFACT_COLUMNS} FROM artifact_v3 AS a WHERE {conditions.sql()} ORDER BY a.ts_epoch, a.name"
            )
            return query, conditions.parameters, lambda row: as_artifact(task, row)

        return await read_list(self._connections, ask, None, Order.ARTIFACTS)


def _latest(scope: RunPath | StepPath | TaskPath, selection: Selection) -> Ask[Artifact]:
    def ask(connection: sqlite3.Connection) -> Question[Artifact] | None:
        run = find_ancestors(connection, scope)
        if run is None or not run.hold(selection.tags):
            return None
        inner = _within(run, scope)
        outer = Conditions(inner.parameters)
        tail = paged(outer, selection.page, Order.ARTIFACTS, "a")
        query = f"""
            WITH latest AS MATERIALIZED (
                SELECT a.step_name, a.task_id, max(a.attempt_id) AS attempt_id
                FROM artifact_v3 AS a WHERE {inner.sql()} GROUP BY a.step_name, a.task_id
            )
            SELECT {ARTIFACT_COLUMNS} FROM latest AS l CROSS JOIN artifact_v3 AS a
            ON a.flow_id = :flow AND a.run_number = :run AND a.step_name = l.step_name
                AND a.task_id = l.task_id AND a.attempt_id = l.attempt_id
            WHERE {outer.sql()} {tail}
        """
        return query, outer.parameters, lambda row: as_artifact(run, row)

    return ask


def _within(run: Ancestors, scope: RunPath | StepPath | TaskPath) -> Conditions:
    """The conditions that an artifact belongs to the run, step or task."""
    conditions = Conditions({"flow": run.flow_id, "run": run.run_number})
    conditions.add("a.flow_id = :flow AND a.run_number = :run")
    if not isinstance(scope, RunPath):
        conditions.add(f"a.step_name = {conditions.bind(scope.step_name)}")
    if isinstance(scope, TaskPath):
        conditions.add(f"a.task_id = {conditions.bind(run.task_id)}")
    return conditions
