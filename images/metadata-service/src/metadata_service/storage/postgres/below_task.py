"""Rows that hang on a task: many of them stored by one statement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from metadata_service.domain.keys import TaskPath
from metadata_service.domain.refusals import NotFound
from metadata_service.storage.postgres.ancestors import NOW_MS, path_parameters, task_of_run
from metadata_service.storage.postgres.connections import Connections

_OF_THE_TASK = "flow_id, run_number, run_id, step_name, task_id, task_name"


async def insert_below_task(
    connections: Connections,
    path: TaskPath,
    table: str,
    columns: Mapping[str, str],
    rows: Sequence[object],
    *,
    conflict: str = "",
) -> int:
    """Store rows of a task in their order, and give their number; `columns` gives the type of each column.

    One statement for all rows: a single round trip, and stored whole or not at all. They go as one JSON, which costs
    the driver a third of what an array for each column does. Raises NotFound when the task is not recorded.
    """
    names = ", ".join(columns)
    types = ", ".join(f"{name} {kind}" for name, kind in columns.items())
    # Absent tags are JSON's null, as upstream stores them: SQL's would blank the tag index.
    values = ", ".join(
        f"coalesce(d.{name}, 'null')" if kind == "jsonb" else f"d.{name}" for name, kind in columns.items()
    )
    query = f"""
        WITH t AS MATERIALIZED (
            SELECT t.flow_id, t.run_number, r.run_id, t.step_name, t.task_id, t.task_name {task_of_run(path)}
            FOR KEY SHARE OF t
        ),
        stored AS (
            INSERT INTO {table} ({_OF_THE_TASK}, ts_epoch, {names})
            SELECT t.*, {NOW_MS}, {values}
            FROM t CROSS JOIN ROWS FROM (json_to_recordset(%(rows)s::json) AS ({types})) WITH ORDINALITY AS d
                ({names}, place)
            ORDER BY d.place
            {conflict}
            RETURNING 1
        )
        SELECT EXISTS (SELECT FROM t), (SELECT count(*) FROM stored)
    """
    parameters = path_parameters(path) | {"rows": msgspec.json.encode(rows).decode()}
    async with connections.connection() as connection:
        row = await (await connection.execute(query, parameters)).fetchone()
    assert row is not None
    task_exists, stored = row
    if not task_exists:
        raise NotFound(f"Task {path.task!r} of run {path.run!r} does not exist. Record it first.")
    return int(stored)
