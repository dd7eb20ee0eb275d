"""Steps in SQLite."""

from __future__ import annotations

import sqlite3

from metadata_service.domain.drafts import NewStep
from metadata_service.domain.keys import RunPath, StepPath
from metadata_service.domain.records import Step
from metadata_service.domain.refusals import AlreadyThere, NotFound
from metadata_service.domain.selection import Listing, Order, Selection
from metadata_service.storage.lineage import Ancestors
from metadata_service.storage.rows import as_json
from metadata_service.storage.selecting import Row, paged
from metadata_service.storage.sqlite.ancestors import find_ancestors, need_ancestors, now_ms
from metadata_service.storage.sqlite.conditions import Conditions
from metadata_service.storage.sqlite.connections import Connections
from metadata_service.storage.sqlite.lists import Question, read_list


class SqliteSteps:
    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def create(self, path: StepPath, draft: NewStep) -> Step:
        tags, system_tags = as_json(draft.tags), as_json(draft.system_tags)

        def work(connection: sqlite3.Connection) -> Step:
            run = need_ancestors(connection, path)
            made = (path.step_name, draft.user_name, now_ms())
            statement = (
                "INSERT INTO steps_v3 (flow_id, run_number, run_id, step_name, user_name, ts_epoch, tags, system_tags)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
            )
            # As in PostgreSQL, a step keeps the number of its run as text where the run has no name.
            row = (run.flow_id, run.run_number, str(run.shown_run), *made, tags, system_tags)
            if connection.execute(statement, row).rowcount == 0:
                raise AlreadyThere(f"Step {path.step_name!r} of run {path.run!r} is recorded already.")
            return _step(run, made)

        return await self._connections.write(work)

    async def get(self, path: StepPath) -> Step:
        def work(connection: sqlite3.Connection) -> Step | None:
            run = find_ancestors(connection, path)
            if run is None:
                return None
            query = (
                "SELECT step_name, user_name, ts_epoch FROM steps_v3"
                " WHERE flow_id = ? AND run_number = ? AND step_name = ?"
            )
            row = connection.execute(query, [run.flow_id, run.run_number, path.step_name]).fetchone()
            return None if row is None else _step(run, row)

        step = await self._connections.read(work)
        if step is None:
            raise NotFound(f"Step {path.step_name!r} of run {path.run!r} does not exist.")
        return step

    async def list(self, path: RunPath, selection: Selection) -> Listing[Step]:
        def ask(connection: sqlite3.Connection) -> Question[Step] | None:
            run = find_ancestors(connection, path)
            if run is None or not run.hold(selection.tags):
                return None
            conditions = Conditions({"flow": run.flow_id, "run": run.run_number})
            conditions.add("s.flow_id = :flow AND s.run_number = :run")
            tail = paged(conditions, selection.page, Order.STEPS, "s")
            query = (
                "SELECT s.ts_epoch, s.step_name, s.step_name, s.user_name, s.ts_epoch"
                f" FROM steps_v3 AS s WHERE {conditions.sql()} {tail}"
            )
            return query, conditions.parameters, lambda row: _step(run, row[2:])

        return await read_list(self._connections, ask, selection.page, Order.STEPS)


def _step(run: Ancestors, row: Row) -> Step:
    step_name, user_name, ts_epoch = row
    return Step(run.flow_id, str(run.shown_run), step_name, user_name, ts_epoch, run.tags, run.system_tags)
