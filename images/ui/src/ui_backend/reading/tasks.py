"""Attempts of tasks with what is derived for them: begin, end, status, duration and the place in a foreach.

An attempt is known by any of its marks: metadata `attempt` and `attempt-done` with its number as their value,
`attempt_ok` with it in a tag, or an artifact `_task_ok`. A mark whose number cannot be read counts for none. A task
without any is shown as attempt 0. The rules, first one that holds:

| when | status | finished_at |
|---|---|---|
| `attempt_ok` says success (the newest readable one; of one millisecond, success) | completed | its last mark |
| it says failure | failed | its last mark |
| `attempt-done` or `_task_ok` without a readable `attempt_ok`, as old clients leave it | unknown | its last mark |
| a later attempt is known | failed | when that began |
| the last heartbeat is older than the cutoff | failed | the heartbeat |
| there never was a heartbeat, and it began more than a day ago | failed | unknown |
| no mark of any attempt yet | pending | |
| otherwise | running | |

Marks of the end are `attempt-done`, `attempt_ok` and `_task_ok`. The duration is as for runs, from `started_at`, or
from the task's own time where it is not known.
"""

from __future__ import annotations

from metadata_service.domain.keys import RunPath, StepPath, TaskPath
from metadata_service.domain.refusals import NotFound
from metadata_service.storage.rows import no_task
from ui_backend.reading.ages import DEAD, OLD, SUCCESS, Ages
from ui_backend.reading.ancestors import Scope, find
from ui_backend.reading.databases import Database
from ui_backend.reading.dialect import Dialect
from ui_backend.reading.lists import Page, Record, Shown, Window, page_of, windowed
from ui_backend.reading.runs import duration

TASKS = Shown(
    columns=(
        *("step_name", "task_id", "task_name", "user_name", "ts_epoch", "last_heartbeat_ts"),
        *("attempt_id", "started_at", "finished_at", "attempt_ok", "status", "duration", "foreach_label"),
    ),
    key=(("step_name", False), ("task_id", True), ("attempt_id", True)),
    default=(("ts_epoch", True),),
)

_DONE = "'attempt-done', 'attempt_ok'"


class Tasks:
    def __init__(self, database: Database, ages: Ages) -> None:
        self._database = database
        self._ages = ages

    async def list(self, path: RunPath | StepPath | TaskPath, window: Window) -> Page:
        """Attempts of all tasks in there, each by itself. Raises NotFound without the run or the task."""
        scope = await find(self._database, path)
        dialect = self._database.dialect
        conditions = dialect.conditions({**self._ages.parameters(), **scope.parameters})
        conditions.add_fields(window.filters, {name: f"x.{name}" for name in TASKS.columns})
        query = windowed(attempts(dialect, scope), TASKS, window, conditions.sql())
        rows = await self._database.rows(query, conditions.parameters)
        return page_of(rows, TASKS, window, dialect, _extra(scope))

    async def get(self, path: TaskPath, attempt: int | None = None) -> Record:
        """The attempt, by default the newest. Raises NotFound."""
        page = await self.list(path, Window(limit=1000, order=(("attempt_id", True),)))
        for found in page.records:
            if attempt in (None, found["attempt_id"]):
                return found
        raise NotFound(f"Task {path.task!r} has no attempt {attempt}.") if page.records else no_task(path)


def _extra(scope: Scope) -> Record:
    # Upstream fetches these from the datastore when it is asked to; nobody needs them where `attempt_ok` is known.
    return {**scope.shared, "task_ok": None, "foreach_stack": None}


def attempts(dialect: Dialect, scope: Scope) -> str:
    """The question for all attempts in a scope, with all columns of TASKS.

    Tasks, marks and labels are put into one heap and gathered by task and attempt. No join, so there is no plan by
    which it could take more than one pass over what the run has recorded of these.
    """
    value = "trim(m.value, '\" ')"
    ok = SUCCESS.format("m.value")
    ended = dialect.latest("g.done_at", "g.stored_at")
    old = OLD.format("coalesce(s.started_at, s.ts_epoch)")
    nothing = "NULL, NULL, NULL, NULL"
    return f"""
        WITH heap AS (
            SELECT t.step_name, t.task_id, '_task' AS field_name, NULL AS attempt_id, NULL AS at, NULL AS ok,
                t.task_name, t.user_name, t.ts_epoch, t.last_heartbeat_ts, NULL AS label
            FROM tasks_v3 AS t WHERE {scope.condition("t")}
            UNION ALL
            SELECT m.step_name, m.task_id, m.field_name,
                CASE m.field_name WHEN 'attempt_ok' THEN {dialect.attempt_tag()} ELSE {dialect.number(value)} END,
                m.ts_epoch, CASE m.field_name WHEN 'attempt_ok' THEN {ok} END, {nothing}, NULL
            FROM metadata_v3 AS m WHERE {scope.condition("m")} AND m.field_name IN ('attempt', {_DONE})
            UNION ALL
            SELECT a.step_name, a.task_id, a.name, a.attempt_id, a.ts_epoch, NULL, {nothing}, NULL
            FROM artifact_v3 AS a WHERE {scope.condition("a")} AND a.name = '_task_ok'
            UNION ALL
            SELECT m.step_name, m.task_id, m.field_name, NULL, NULL, NULL, {nothing}, m.value
            FROM metadata_v3 AS m
            WHERE {scope.condition("m")} AND m.field_name IN ('foreach-stack', 'foreach-execution-path')
        ),
        gathered AS (
            SELECT step_name, task_id, attempt_id,
                -- A mark whose attempt cannot be read counts for none.
                min(CASE WHEN attempt_id IS NOT NULL AND field_name = 'attempt' THEN at END) AS started_at,
                max(CASE WHEN attempt_id IS NOT NULL AND field_name IN ({_DONE}) THEN at END) AS done_at,
                max(CASE WHEN attempt_id IS NOT NULL AND field_name = '_task_ok' THEN at END) AS stored_at,
                max(CASE WHEN attempt_id IS NOT NULL THEN at * 4 + ok END) AS mark,
                max(task_name) AS task_name, max(user_name) AS user_name, max(ts_epoch) AS ts_epoch,
                max(last_heartbeat_ts) AS last_heartbeat_ts,
                max(CASE field_name WHEN 'foreach-stack' THEN label END) AS stack,
                max(CASE field_name WHEN 'foreach-execution-path' THEN label END) AS path
            FROM heap GROUP BY step_name, task_id, attempt_id
        ),
        spread AS (
            SELECT g.step_name, g.task_id, g.attempt_id, g.started_at, g.mark, {ended} AS ended_at,
                max(g.task_name) OVER whole AS task_name, max(g.user_name) OVER whole AS user_name,
                max(g.ts_epoch) OVER whole AS ts_epoch, max(g.last_heartbeat_ts) OVER whole AS last_heartbeat_ts,
                coalesce(max(g.stack) OVER whole, max(g.path) OVER whole) AS foreach_label,
                count(g.attempt_id) OVER whole AS attempts,
                lead(CASE WHEN g.attempt_id IS NOT NULL THEN coalesce(g.started_at, {ended}) END)
                    OVER (PARTITION BY g.step_name, g.task_id ORDER BY g.attempt_id NULLS LAST) AS next_at
            FROM gathered AS g WINDOW whole AS (PARTITION BY g.step_name, g.task_id)
        ),
        judged AS (
            SELECT s.step_name, s.task_id, s.task_name, s.user_name, s.ts_epoch, s.last_heartbeat_ts, s.foreach_label,
                coalesce(s.attempt_id, 0) AS attempt_id, s.ended_at, s.next_at, s.started_at,
                CASE s.mark %% 4 WHEN 1 THEN true WHEN 0 THEN false END AS attempt_ok,
                CASE
                    WHEN s.mark %% 4 = 1 THEN 'completed'
                    WHEN s.mark %% 4 = 0 THEN 'failed'
                    WHEN s.ended_at IS NOT NULL THEN 'unknown'
                    WHEN s.next_at IS NOT NULL THEN 'failed'
                    WHEN {DEAD.format("s")} THEN 'failed'
                    WHEN s.last_heartbeat_ts IS NULL AND {old} THEN 'failed'
                    WHEN s.attempt_id IS NULL THEN 'pending'
                    ELSE 'running'
                END AS status
            FROM spread AS s WHERE s.ts_epoch IS NOT NULL AND (s.attempt_id IS NOT NULL OR s.attempts = 0)
        ),
        ended AS (
            SELECT j.*, CASE WHEN j.status NOT IN ('running', 'pending')
                THEN coalesce(j.ended_at, j.next_at, j.last_heartbeat_ts * 1000) END AS finished_at
            FROM judged AS j
        )
        SELECT e.*, {duration("e", "coalesce(e.started_at, e.ts_epoch)")} AS duration FROM ended AS e
    """
