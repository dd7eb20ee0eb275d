"""Steps of runs, each with how its tasks stand.

Counted is the newest attempt of each task. A step has begun when it was recorded; its duration ends where the last of
these attempts ended or, if it has not, at its last sign of life. A step without tasks has none.
"""

from __future__ import annotations

from metadata_service.domain.keys import RunPath, StepPath
from metadata_service.domain.refusals import NotFound
from ui_backend.reading.ages import Ages
from ui_backend.reading.ancestors import find
from ui_backend.reading.databases import Database
from ui_backend.reading.lists import Page, Record, Shown, Window, page_of, windowed
from ui_backend.reading.tasks import attempts

STATUSES = ("completed", "failed", "running", "pending", "unknown")
"""What a task can be."""

STEPS = Shown(
    columns=("step_name", "user_name", "ts_epoch", "duration", "started_at", "finished_at", "tasks", *STATUSES),
    key=(("step_name", False),),
    default=(("ts_epoch", True),),
)


class Steps:
    def __init__(self, database: Database, ages: Ages) -> None:
        self._database = database
        self._ages = ages

    async def list(self, path: RunPath | StepPath, window: Window) -> Page:
        """Raises NotFound without the run."""
        scope = await find(self._database, path)
        dialect = self._database.dialect
        conditions = dialect.conditions({**self._ages.parameters(), **scope.parameters})
        conditions.add_fields(window.filters, {name: f"x.{name}" for name in STEPS.columns})
        counts = ", ".join(f"count(CASE n.status WHEN '{status}' THEN 1 END) AS {status}" for status in STATUSES)
        shown = ", ".join(f"coalesce(c.{status}, 0) AS {status}" for status in ("tasks", *STATUSES))
        inner = f"""
            SELECT s.step_name, s.user_name, s.ts_epoch, c.started_at, c.finished_at, {shown},
                CASE WHEN c.until < s.ts_epoch THEN 0 ELSE c.until - s.ts_epoch END AS duration
            FROM steps_v3 AS s LEFT JOIN (
                SELECT n.step_name, count(*) AS tasks, {counts}, min(n.started_at) AS started_at,
                    CASE WHEN count(n.finished_at) = count(*) THEN max(n.finished_at) END AS finished_at,
                    max(coalesce(n.started_at, n.ts_epoch) + n.duration) AS until
                FROM (
                    SELECT a.*, row_number() OVER (PARTITION BY a.step_name, a.task_id ORDER BY a.attempt_id DESC)
                        AS from_newest
                    FROM ({attempts(dialect, scope)}) AS a
                ) AS n
                WHERE n.from_newest = 1 GROUP BY n.step_name
            ) AS c ON c.step_name = s.step_name
            WHERE {scope.condition("s")}
        """
        rows = await self._database.rows(windowed(inner, STEPS, window, conditions.sql()), conditions.parameters)
        return page_of(rows, STEPS, window, dialect, scope.shared)

    async def get(self, path: StepPath) -> Record:
        """Raises NotFound."""
        page = await self.list(path, Window(limit=1))
        if not page.records:
            raise NotFound(f"Step {path.step_name!r} of run {path.run!r} of flow {path.flow_id!r} does not exist.")
        return page.records[0]
