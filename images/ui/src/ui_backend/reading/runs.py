"""Runs with what is derived for them: user, status, end and duration.

The rules, first one that holds. `ok` is the newest readable mark `attempt_ok` of the step `end`; of marks of the same
millisecond success wins.

| when | status | finished_at |
|---|---|---|
| ok says success | completed | time of the mark |
| ok says failure, and `end` was attempted again later | running | |
| ok says failure | failed | time of the mark |
| the last heartbeat is older than the cutoff | failed | the heartbeat |
| there never was a heartbeat, and the run is older than a day | failed | unknown |
| otherwise | running | |

The duration is from the beginning to the end; of what runs, to the last heartbeat, or to now where there is none. It is
never negative, and unknown where the end is.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from metadata_service.domain.keys import RunPath
from metadata_service.domain.refusals import NotFound
from metadata_service.storage.selecting import Conditions
from ui_backend.reading.ages import DEAD, OLD, Ages
from ui_backend.reading.databases import Database
from ui_backend.reading.lists import Page, Record, Shown, Window, add_reach, page_of, record, windowed
from ui_backend.reading.parameters import add_parameters

_PLAIN = ("flow_id", "run_number", "run_id", "run", "user_name", "user", "ts_epoch", "last_heartbeat_ts")
_WHEN = ("flow_id", "run_number", "ts_epoch", "last_heartbeat_ts")
"""What is derived comes from these, and from how the run ended."""

_NO_LIMIT = 10**9
_AT_ONCE = 50

DERIVED = frozenset({"status", "finished_at", "duration"})

RUNS = Shown(
    columns=(*_PLAIN, "tags", "system_tags", "status", "finished_at", "duration"),
    key=(("flow_id", False), ("run_number", True)),
    default=(("ts_epoch", True),),
)


_KEYS = dataclasses.replace(RUNS, columns=("flow_id", "run_number"))


class Runs:
    def __init__(self, database: Database, ages: Ages) -> None:
        self._database = database
        self._ages = ages

    async def list(self, window: Window, flow_id: str | None = None) -> Page:
        """The runs of a flow, or of all."""
        dialect = self._database.dialect
        conditions = dialect.conditions(self._ages.parameters())
        if flow_id is not None:
            conditions.add(f"r.flow_id = {conditions.bind(flow_id)}")
        for tag in window.tags:
            conditions.add(conditions.tagged(dialect.tags, tag))
        add_parameters(conditions, window.parameters, "r")
        add_reach(conditions, dialect, window.reach, "r")
        plain = [one for one in window.filters if one.field not in DERIVED]
        conditions.add_fields(plain, {name: self._plain(name) for name in _PLAIN})
        later = dialect.conditions(conditions.parameters)
        derived = [one for one in window.filters if one.field in DERIVED]
        later.add_fields(derived, {name: f"x.{name}" for name in DERIVED})
        if window.groups or derived or any(name in DERIVED for name, _ in window.order):
            return await self._by_what_is_derived(window, conditions.sql(), later)
        else:
            # The page is cut before anything is derived, so no more is looked up than is shown.
            cut = f"{self._order(window)} LIMIT {window.limit + 1} OFFSET {window.offset}"
            first = dataclasses.replace(window, page=1)
            query = windowed(self._derived(conditions.sql(), cut), RUNS, first, later.sql())
        return page_of(await self._database.rows(query, later.parameters), RUNS, window, dialect, {})

    async def _by_what_is_derived(self, window: Window, condition: str, later: Conditions) -> Page:
        """The window's runs: their keys, for which all runs are looked at, and then what is shown of these few."""
        dialect = self._database.dialect
        named = {*_WHEN, *window.groups, *(name for name, _ in window.order), *(one.field for one in window.filters)}
        inner = self._derived(condition, self._order(window), [name for name in _PLAIN if name in named], "")
        rows = await self._database.rows(windowed(inner, _KEYS, window, later.sql()), later.parameters)
        page = page_of(rows, _KEYS, window, dialect, {})
        keys = [(one["flow_id"], one["run_number"]) for one in page.records]
        ages = {name: later.parameters[name] for name in self._ages.parameters()}
        found: dict[tuple[str, int], Record] = {}
        for start in range(0, len(keys), _AT_ONCE):
            some = dialect.conditions(ages)
            either = [
                f"(r.flow_id = {some.bind(flow)} AND r.run_number = {some.bind(number)})"
                for flow, number in keys[start : start + _AT_ONCE]
            ]
            query = windowed(self._derived(" OR ".join(either), ""), RUNS, Window(limit=_AT_ONCE), "true")
            for row in await self._database.rows(query, some.parameters):
                shown = record(row, RUNS, dialect, {})
                found[shown["flow_id"], shown["run_number"]] = shown
        # One that was removed between the two questions is not there any more.
        return Page([found[key] for key in keys if key in found], page.more)

    async def get(self, path: RunPath) -> Record:
        """Raises NotFound."""
        dialect = self._database.dialect
        parameters = {**self._ages.parameters(), **dialect.path_parameters(path)}
        inner = self._derived(f"r.flow_id = %(flow)s AND {dialect.run_is(path)}", "")
        rows = await self._database.rows(windowed(inner, RUNS, Window(limit=1), "true"), parameters)
        if not rows:
            raise no_run(path)
        return record(rows[0], RUNS, dialect, {})

    def _plain(self, name: str) -> str:
        match name:
            case "user":
                return f"({self._database.dialect.user})"
            case "run":
                return "coalesce(r.run_id, CAST(r.run_number AS TEXT))"
            case _:
                return f"r.{name}"

    def _order(self, window: Window) -> str:
        """ORDER BY for the runs that are looked at, as far as their own columns decide."""
        if window.groups or any(name in DERIVED for name, _ in window.order):
            return ""
        return f"ORDER BY {RUNS.order_by(window, self._plain)}"

    def _derived(
        self, condition: str, cut: str, names: Sequence[str] = _PLAIN, tags: str = ", r.tags, r.system_tags"
    ) -> str:
        """The question for runs with all that is derived. `cut` is the order and limit of the runs that are looked at.

        The limit, real or not, keeps the database from asking for what it found again wherever that is named.
        """
        plain = ", ".join(f"{self._plain(name)} AS {name}" for name in names)
        limit = "" if "LIMIT" in cut else f"LIMIT {_NO_LIMIT}"
        return f"""
            WITH runs AS (
                SELECT {plain}{tags}, m.mark, m.attempted_at
                FROM runs_v3 AS r LEFT JOIN {self._database.dialect.run_ends} AS m
                    ON m.flow_id = r.flow_id AND m.run_number = r.run_number
                WHERE {condition} {cut} {limit}
            ),
            judged AS (
                SELECT r.*, r.mark / 4 AS ok_at,
                    CASE
                        WHEN r.mark %% 4 = 1 THEN 'completed'
                        WHEN r.mark %% 4 = 0 AND r.attempted_at > r.mark / 4 THEN 'running'
                        WHEN r.mark %% 4 = 0 THEN 'failed'
                        WHEN {DEAD.format("r")} THEN 'failed'
                        WHEN r.last_heartbeat_ts IS NULL AND {OLD.format("r.ts_epoch")} THEN 'failed'
                        ELSE 'running'
                    END AS status
                FROM runs AS r
            ),
            ended AS (
                SELECT j.*, CASE WHEN j.status <> 'running' THEN coalesce(j.ok_at, j.last_heartbeat_ts * 1000) END
                    AS finished_at
                FROM judged AS j
            )
            SELECT e.*, {duration("e", "e.ts_epoch")} AS duration FROM ended AS e
        """


def duration(alias: str, started: str) -> str:
    """From the start to the end, or to the last sign of life of what has not ended. Unknown when the end is."""
    until = (
        f"coalesce({alias}.finished_at, CASE WHEN {alias}.status IN ('running', 'pending')"
        f" THEN coalesce({alias}.last_heartbeat_ts * 1000, %(now)s) END)"
    )
    return f"(CASE WHEN {until} < {started} THEN 0 ELSE {until} - {started} END)"


def no_run(path: RunPath) -> NotFound:
    """The run of the path is not recorded."""
    return NotFound(f"Run {path.run!r} of flow {path.flow_id!r} does not exist.")
