"""Tasks on PostgreSQL."""

from __future__ import annotations

from metadata_service.domain.drafts import NewTask
from metadata_service.domain.heartbeats import client_sends_heartbeats
from metadata_service.domain.keys import StepPath, TaskPath
from metadata_service.domain.records import Task
from metadata_service.domain.refusals import AlreadyThere, NotFound
from metadata_service.domain.selection import Listing, Order, Selection, Take
from metadata_service.storage.lineage import Ancestors, shown
from metadata_service.storage.postgres.ancestors import (
    NOW_MS,
    NOW_S,
    find_ancestors,
    path_parameters,
    run_is,
    task_of_run,
)
from metadata_service.storage.postgres.conditions import Conditions
from metadata_service.storage.postgres.connections import Connection, Connections, Reading
from metadata_service.storage.postgres.lists import Ask, Question, give_list, read_list
from metadata_service.storage.postgres.runs import HEARTBEAT_DUE
from metadata_service.storage.rows import TASK_COLUMNS, as_json, as_task, no_task
from metadata_service.storage.selecting import paged

_RUN = "r.flow_id, r.run_number, r.run_id, r.tags, r.system_tags"

_FIELDS = {
    "task_id": "t.task_id",
    "task_name": "t.task_name",
    "user_name": "t.user_name",
    "ts_epoch": "t.ts_epoch",
    "last_heartbeat_ts": "t.last_heartbeat_ts",
}


class PostgresTasks:
    def __init__(self, connections: Connections, reading: Reading) -> None:
        self._connections = connections
        self._reading = reading

    async def create(self, path: StepPath, draft: NewTask) -> Task:
        query = f"""
            WITH r AS (
                SELECT r.*, s.step_name
                FROM runs_v3 AS r JOIN steps_v3 AS s ON s.flow_id = r.flow_id AND s.run_number = r.run_number
                WHERE r.flow_id = %(flow)s AND {run_is(path.run)} AND s.step_name = %(step)s
            ),
            t AS (
                INSERT INTO tasks_v3 AS t
                    (flow_id, run_number, run_id, step_name, task_name, user_name, ts_epoch, last_heartbeat_ts,
                     tags, system_tags)
                SELECT r.flow_id, r.run_number, r.run_id, r.step_name, %(name)s, %(user)s, {NOW_MS},
                    CASE WHEN %(alive)s THEN {NOW_S} END, %(tags)s::jsonb, %(system_tags)s::jsonb
                FROM r
                ON CONFLICT DO NOTHING
                RETURNING t.*
            ),
            beaten AS (
                UPDATE runs_v3 AS r SET last_heartbeat_ts = {NOW_S} FROM t
                WHERE %(alive)s AND r.flow_id = t.flow_id AND r.run_number = t.run_number AND {HEARTBEAT_DUE}
            )
            SELECT {_RUN}, {TASK_COLUMNS} FROM r LEFT JOIN t ON true
        """
        parameters = {
            **path_parameters(path),
            "name": draft.task_name,
            "user": draft.user_name,
            "alive": client_sends_heartbeats(draft.system_tags),
            "tags": as_json(draft.tags),
            "system_tags": as_json(draft.system_tags),
        }
        async with self._connections.connection() as connection:
            row = await (await connection.execute(query, parameters)).fetchone()
        if row is None:
            raise NotFound(f"Step {path.step_name!r} of run {path.run!r} does not exist. Record it first.")
        if row[5] is None:
            raise AlreadyThere(f"Task {draft.task_name!r} of step {path.step_name!r} is recorded already.")
        return as_task(Ancestors(*row[:5]), row[5:])

    async def get(self, path: TaskPath) -> Task:
        query = f"SELECT {_RUN}, {TASK_COLUMNS} {task_of_run(path)}"
        async with self._connections.connection() as connection:
            row = await (await connection.execute(query, path_parameters(path))).fetchone()
        if row is None:
            raise no_task(path)
        return as_task(Ancestors(*row[:5]), row[5:])

    async def list(self, path: StepPath, selection: Selection) -> Listing[Task]:
        return await read_list(self._reading, _of_step(path, selection), selection.page, Order.TASKS)

    async def give(self, path: StepPath, selection: Selection, take: Take[Task]) -> None:
        await give_list(self._reading, _of_step(path, selection), take)

    async def beat(self, path: TaskPath) -> None:
        query = f"""
            WITH found AS (SELECT t.task_id, r.flow_id, r.run_number {task_of_run(path)}),
            beaten_task AS (
                UPDATE tasks_v3 AS r SET last_heartbeat_ts = {NOW_S} FROM found
                WHERE r.task_id = found.task_id AND {HEARTBEAT_DUE}
            ),
            beaten_run AS (
                UPDATE runs_v3 AS r SET last_heartbeat_ts = {NOW_S} FROM found
                WHERE r.flow_id = found.flow_id AND r.run_number = found.run_number AND {HEARTBEAT_DUE}
            )
            SELECT FROM found
        """
        async with self._connections.connection() as connection:
            found = await connection.execute(query, path_parameters(path))
        if found.rowcount == 0:
            raise no_task(path)

    async def with_metadata(self, path: StepPath, field_name: str | None, pattern: str | None) -> tuple[str, ...]:
        async with self._reading.connection() as connection:
            run = await find_ancestors(connection, path)
            if run is None:
                return ()
            of_step = "flow_id = %(flow)s AND run_number = %(run)s AND step_name = %(step)s"
            conditions = Conditions({"flow": run.flow_id, "run": run.run_number, "step": path.step_name})
            if field_name:
                conditions.add(f"field_name = {conditions.bind(field_name)}")
            if pattern:
                conditions.add(f"value ~ {conditions.bind(pattern)}")
            matching = f"SELECT task_id FROM metadata_v3 WHERE {of_step} AND {conditions.sql()}"
            query = f"SELECT task_id, task_name FROM tasks_v3 WHERE {of_step}"
            if field_name or pattern:
                query += f" AND task_id IN ({matching})"
            rows = await (await connection.execute(query + " ORDER BY task_id", conditions.parameters)).fetchall()
        return tuple(f"{run.flow_id}/{run.shown_run}/{path.step_name}/{shown(*row)}" for row in rows)


def _of_step(path: StepPath, selection: Selection) -> Ask[Task]:
    async def ask(connection: Connection) -> Question[Task] | None:
        run = await find_ancestors(connection, path)
        if run is None or not run.hold(selection.tags):
            return None
        conditions = Conditions({"flow": run.flow_id, "run": run.run_number, "step": path.step_name})
        conditions.add("t.flow_id = %(flow)s AND t.run_number = %(run)s AND t.step_name = %(step)s")
        conditions.add_fields(selection.fields, _FIELDS)
        tail = paged(conditions, selection.page, Order.TASKS, "t")
        query = f"SELECT {TASK_COLUMNS} FROM tasks_v3 AS t WHERE {conditions.sql()} {tail}"
        return query, conditions.parameters, lambda row: as_task(run, row)

    return ask
