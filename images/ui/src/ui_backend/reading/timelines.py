"""All attempts of a run at once, by columns: what the pages draw a timeline and a table of tasks from.

One question, one pass over what the run has recorded, and an answer that is some 60 bytes an attempt.
"""

from __future__ import annotations

from typing import Any

import msgspec

from metadata_service.domain.keys import RunPath
from ui_backend.reading.ages import Ages
from ui_backend.reading.ancestors import find
from ui_backend.reading.databases import Database
from ui_backend.reading.steps import STATUSES
from ui_backend.reading.tasks import attempts

MOST = 50_000
"""Attempts that are told, the first to begin."""


class Timeline(msgspec.Struct, frozen=True):
    """Columns of the same length. `step` and `status` are places in `steps` and `statuses`; `more` tells that there
    are more attempts than these.
    """

    steps: list[str]
    statuses: tuple[str, ...]
    step: list[int]
    task: list[int]
    name: list[str | None]
    attempt: list[int]
    started: list[int]
    finished: list[int | None]
    status: list[int]
    label: list[str | None]
    more: bool


class Timelines:
    def __init__(self, database: Database, ages: Ages) -> None:
        self._database = database
        self._ages = ages

    async def get(self, path: RunPath) -> Timeline:
        """Raises NotFound without the run."""
        scope = await find(self._database, path)
        query = f"""
            SELECT x.step_name, x.task_id, x.task_name, x.attempt_id, coalesce(x.started_at, x.ts_epoch) AS began,
                x.finished_at, x.status, x.foreach_label
            FROM ({attempts(self._database.dialect, scope)}) AS x
            ORDER BY began, x.step_name, x.task_id, x.attempt_id LIMIT {MOST + 1}
        """
        rows = await self._database.rows(query, {**self._ages.parameters(), **scope.parameters})
        told = rows[:MOST]
        columns: list[list[Any]] = [list(column) for column in zip(*told, strict=True)] or [[] for _ in range(8)]
        names, task, name, attempt, started, finished, status, label = columns
        steps = {step: place for place, step in enumerate(dict.fromkeys(names))}
        return Timeline(
            steps=list(steps),
            statuses=STATUSES,
            step=[steps[one] for one in names],
            task=task,
            name=name,
            attempt=attempt,
            started=started,
            finished=finished,
            status=[STATUSES.index(one) for one in status],
            label=label,
            more=len(rows) > MOST,
        )
