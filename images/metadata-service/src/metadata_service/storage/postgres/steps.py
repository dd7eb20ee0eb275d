"""Steps on PostgreSQL."""

from __future__ import annotations

from metadata_service.domain.drafts import NewStep
from metadata_service.domain.keys import RunPath, StepPath
from metadata_service.domain.records import Step
from metadata_service.domain.refusals import AlreadyThere, NotFound
from metadata_service.domain.selection import Listing, Order, Selection
from metadata_service.storage.postgres.ancestors import NOW_MS, find_ancestors, path_parameters, run_is
from metadata_service.storage.postgres.conditions import Conditions
from metadata_service.storage.postgres.connections import Connections, Reading
from metadata_service.storage.rows import as_json
from metadata_service.storage.selecting import Row, listing, paged

# Unlike elsewhere, a step shows the number of its run as text, and keeps it as text where the run has no name.
_RUN = "coalesce(r.run_id, r.run_number::text)"


class PostgresSteps:
    def __init__(self, connections: Connections, reading: Reading) -> None:
        self._connections = connections
        self._reading = reading

    async def create(self, path: StepPath, draft: NewStep) -> Step:
        query = f"""
            WITH r AS (SELECT * FROM runs_v3 AS r WHERE r.flow_id = %(flow)s AND {run_is(path.run)}),
            made AS (
                INSERT INTO steps_v3 AS s
                    (flow_id, run_number, run_id, step_name, user_name, ts_epoch, tags, system_tags)
                SELECT r.flow_id, r.run_number, {_RUN}, %(step)s, %(user)s, {NOW_MS},
                    %(tags)s::jsonb, %(system_tags)s::jsonb
                FROM r
                ON CONFLICT DO NOTHING
                RETURNING s.user_name, s.ts_epoch
            )
            SELECT made.ts_epoch, r.flow_id, {_RUN}, %(step)s, made.user_name, made.ts_epoch, r.tags, r.system_tags
            FROM r LEFT JOIN made ON true
        """
        parameters = {
            **path_parameters(path),
            "user": draft.user_name,
            "tags": as_json(draft.tags),
            "system_tags": as_json(draft.system_tags),
        }
        async with self._connections.connection() as connection:
            row = await (await connection.execute(query, parameters)).fetchone()
        if row is None:
            raise NotFound(f"Run {path.run!r} of flow {path.flow_id!r} does not exist. Record it first.")
        if row[0] is None:
            raise AlreadyThere(f"Step {path.step_name!r} of run {path.run!r} is recorded already.")
        return Step(*row[1:])

    async def get(self, path: StepPath) -> Step:
        query = f"""
            SELECT r.flow_id, {_RUN}, s.step_name, s.user_name, s.ts_epoch, r.tags, r.system_tags
            FROM runs_v3 AS r JOIN steps_v3 AS s ON s.flow_id = r.flow_id AND s.run_number = r.run_number
            WHERE r.flow_id = %(flow)s AND {run_is(path.run)} AND s.step_name = %(step)s
        """
        async with self._connections.connection() as connection:
            row = await (await connection.execute(query, path_parameters(path))).fetchone()
        if row is None:
            raise NotFound(f"Step {path.step_name!r} of run {path.run!r} does not exist.")
        return Step(*row)

    async def list(self, path: RunPath, selection: Selection) -> Listing[Step]:
        async with self._reading.connection() as connection:
            run = await find_ancestors(connection, path)
            if run is None or not run.hold(selection.tags):
                return Listing([])
            conditions = Conditions({"flow": run.flow_id, "run": run.run_number})
            conditions.add("s.flow_id = %(flow)s AND s.run_number = %(run)s")
            tail = paged(conditions, selection.page, Order.STEPS, "s")
            query = f"SELECT s.ts_epoch, s.step_name, s.user_name FROM steps_v3 AS s WHERE {conditions.sql()} {tail}"
            rows = await (await connection.execute(query, conditions.parameters)).fetchall()

        def step(row: Row) -> Step:
            ts_epoch, step_name, user_name = row
            return Step(run.flow_id, str(run.shown_run), step_name, user_name, ts_epoch, run.tags, run.system_tags)

        return listing(rows, selection.page, Order.STEPS, step)
