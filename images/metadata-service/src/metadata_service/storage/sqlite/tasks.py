"""Tasks in SQLite."""

from __future__ import annotations

import sqlite3

from metadata_service.domain.drafts import NewTask
from metadata_service.domain.heartbeats import client_sends_heartbeats
from metadata_service.domain.keys import StepPath, TaskPath
from metadata_service.domain.records import Task
from metadata_service.domain.refusals import AlreadyThere, NotFound
from metadata_service.domain.selection import Listing, Order, Selection, Take
from metadata_service.storage.lineage import Ancestors, shown
from metadata_service.storage.rows import TASK_COLUMNS, as_json, as_task, no_task
from metadata_service.storage.selecting import paged
from metadata_service.storage.sqlite.ancestors import (
    find_ancestors,
    next_number,
    now_ms,
    now_s,
    path_parameters,
    raw,
    run_is,
    task_of_run,
)
from metadata_service.storage.sqlite.conditions import Conditions
from metadata_service.storage.sqlite.connections import Connections
from metadata_service.storage.sqlite.lists import Ask, Question, give_list, read_list
from metadata_service.storage.sqlite.patterns import Pattern
from metadata_service.storage.sqlite.runs import HEARTBEAT_DUE

_FIELDS = {
    "task_id": "t.task_id",
    "task_name": "t.task_name",
    "user_name": "t.user_name",
    "ts_epoch": "t.ts_epoch",
    "last_heartbeat_ts": "t.last_heartbeat_ts",
}

_INSERT = (
    "INSERT INTO tasks_v3 (flow_id, run_number, run_id, step_name, task_id, task_name, user_name, ts_epoch,"
    " last_heartbeat_ts, tags, system_tags) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
)


class SqliteTasks:
    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def create(self, path: StepPath, draft: NewTask) -> Task:
        alive = client_sends_heartbeats(draft.system_tags)
        tags, system_tags = as_json(draft.tags), as_json(draft.system_tags)

        def work(connection: sqlite3.Connection) -> Task:
            run = _run_of_step(connection, path)
            if run is None:
                raise NotFound(f"Step {path.step_name!r} of run {path.run!r} does not exist. Record it first.")
            now, heartbeat = now_ms(), now_s() if alive else None
            number = next_number(connection, "task")
            columns = (run.flow_id, run.run_number, run.run_id, path.step_name, number, draft.task_name)
            row = (*columns, draft.user_name, now, heartbeat, tags, system_tags)
            if connection.execute(_INSERT, row).rowcount == 0:
                raise AlreadyThere(f"Task {draft.task_name!r} of step {path.step_name!r} is recorded already.")
            if alive:
                _beat_run(connection, run.flow_id, run.run_number)
            return as_task(run, (now, number, path.step_name, draft.task_name, draft.user_name, heartbeat))

        return await self._connections.write(work)

    async def get(self, path: TaskPath) -> Task:
        query = f"SELECT r.flow_id, r.run_number, r.run_id, r.tags, r.system_tags, {TASK_COLUMNS} {task_of_run(path)}"
        parameters = path_parameters(path)
        row = await self._connections.read(lambda connection: connection.execute(query, parameters).fetchone())
        if row is None:
            raise no_task(path)
        flow_id, number, name, tags, system_tags, *columns = row
        return as_task(Ancestors(flow_id, number, name, raw(tags), raw(system_tags)), tuple(columns))

    async def list(self, path: StepPath, selection: Selection) -> Listing[Task]:
        return await read_list(self._connections, _of_step(path, selection), selection.page, Order.TASKS)

    async def give(self, path: StepPath, selection: Selection, take: Take[Task]) -> None:
        await give_list(self._connections, _of_step(path, selection), take)

    async def beat(self, path: TaskPath) -> None:
        def work(connection: sqlite3.Connection) -> None:
            query = f"SELECT r.flow_id, r.run_number, t.task_id {task_of_run(path)}"
            found = connection.execute(query, path_parameters(path)).fetchone()
            if found is None:
                raise no_task(path)
            flow_id, run_number, task_id = found
            parameters = {"flow": flow_id, "run": run_number, "step": path.step_name, "task": task_id, "now": now_s()}
            connection.execute(
                "UPDATE tasks_v3 SET last_heartbeat_ts = :now WHERE flow_id = :flow AND run_number = :run"
                f" AND step_name = :step AND task_id = :task AND {HEARTBEAT_DUE}",
                parameters,
            )
            _beat_run(connection, flow_id, run_number)

        await self._connections.write(work)

    async def with_metadata(self, path: StepPath, field_name: str | None, pattern: str | None) -> tuple[str, ...]:
        compiled = Pattern(pattern) if pattern else None

        def work(connection: sqlite3.Connection) -> tuple[str, ...]:
            run = find_ancestors(connection, path)
            if run is None:
                return ()
            conditions = Conditions({"flow": run.flow_id, "run": run.run_number, "step": path.step_name})
            conditions.add("flow_id = :flow AND run_number = :run AND step_name = :step")
            of_step = conditions.sql()
            found: set[int] | None = None
            if field_name:
                conditions.add(f"field_name = {conditions.bind(field_name)}")
            if field_name or compiled:
                query = f"SELECT task_id, value FROM metadata_v3 WHERE {conditions.sql()}"
                values = connection.execute(query, conditions.parameters)
                found = {task for task, value in values if compiled is None or compiled.found_in(value)}
            query = f"SELECT task_id, task_name FROM tasks_v3 WHERE {of_step} ORDER BY task_id"
            tasks = connection.execute(query, {"flow": run.flow_id, "run": run.run_number, "step": path.step_name})
            step = f"{run.flow_id}/{run.shown_run}/{path.step_name}"
            return tuple(f"{step}/{shown(*task)}" for task in tasks if found is None or task[0] in found)

        return await self._connections.read(work)


def _of_step(path: StepPath, selection: Selection) -> Ask[Task]:
    def ask(connection: sqlite3.Connection) -> Question[Task] | None:
        run = find_ancestors(connection, path)
        if run is None or not run.hold(selection.tags):
            return None
        conditions = Conditions({"flow": run.flow_id, "run": run.run_number, "step": path.step_name})
        conditions.add("t.flow_id = :flow AND t.run_number = :run AND t.step_name = :step")
        conditions.add_fields(selection.fields, _FIELDS)
        tail = paged(conditions, selection.page, Order.TASKS, "t")
        query = f"SELECT {TASK_COLUMNS} FROM tasks_v3 AS t WHERE {conditions.sql()} {tail}"
        return query, conditions.parameters, lambda row: as_task(run, row)

    return ask


def _run_of_step(connection: sqlite3.Connection, path: StepPath) -> Ancestors | None:
    query = (
        "SELECT r.flow_id, r.run_number, r.run_id, r.tags, r.system_tags FROM runs_v3 AS r"
        " JOIN steps_v3 AS s ON s.flow_id = r.flow_id AND s.run_number = r.run_number"
        f" WHERE r.flow_id = :flow AND {run_is(path.run)} AND s.step_name = :step"
    )
    row = connection.execute(query, path_parameters(path)).fetchone()
    if row is None:
        return None
    flow_id, number, name, tags, system_tags = row
    return Ancestors(flow_id, number, name, raw(tags), raw(system_tags))


def _beat_run(connection: sqlite3.Connection, flow_id: str, run_number: int) -> None:
    connection.execute(
        f"UPDATE runs_v3 SET last_heartbeat_ts = :now WHERE flow_id = :flow AND run_number = :run AND {HEARTBEAT_DUE}",
        {"flow": flow_id, "run": run_number, "now": now_s()},
    )
