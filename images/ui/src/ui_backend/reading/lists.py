"""What all lists share: which columns they show, what of them is asked for, and the SQL around that."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from metadata_service.domain.selection import FieldFilter, TagFilter
from metadata_service.domain.tokens import Grant
from metadata_service.storage.selecting import Conditions, Row
from ui_backend.reading.dialect import Dialect

Record: TypeAlias = dict[str, Any]
"""A row as the API shows it."""

_JSON_COLUMNS = frozenset({"tags", "system_tags"})
_NEVER_NULL = frozenset(
    {"flow_id", "run_number", "run", "step_name", "task_id", "attempt_id", "id", "name", "ts_epoch"}
)


@dataclass(frozen=True)
class ParameterFilter:
    """A parameter of a run, and the checksums that its artifact has when it holds what is looked for."""

    name: str
    checksums: tuple[str, ...]


@dataclass(frozen=True)
class Window:
    """Which records of a list are asked for, and in which order. Pages count from 1."""

    page: int = 1
    limit: int = 10
    order: tuple[tuple[str, bool], ...] = ()
    """Columns, each with whether it descends."""
    groups: tuple[str, ...] = ()
    """Columns whose equal values make a group. Pages then count groups."""
    group_limit: int = 10
    filters: tuple[FieldFilter, ...] = ()
    tags: tuple[TagFilter, ...] = ()
    parameters: tuple[ParameterFilter, ...] = ()
    reach: Grant | None = None
    """What of flows and runs may be seen; None for everything."""

    @property
    def offset(self) -> int:
        return (self.page - 1) * self.limit


@dataclass(frozen=True)
class Page:
    """Records, and whether there are more after them."""

    records: list[Record]
    more: bool = False


@dataclass(frozen=True)
class Shown:
    """The columns that a list shows, and those that make its order whole when what was asked for leaves ties."""

    columns: tuple[str, ...]
    key: tuple[tuple[str, bool], ...]
    default: tuple[tuple[str, bool], ...]

    def order_by(self, window: Window, column: Callable[[str], str] = "x.{}".format) -> str:
        """ORDER BY's columns. What has no value comes last either way, on both databases."""
        asked = window.order or self.default
        names = {name for name, _ in asked}
        whole = (*asked, *((name, down) for name, down in self.key if name not in names))
        return ", ".join(
            # Said only where it matters: an index of PostgreSQL is of no use to an order that says it.
            f"{column(name)} {'DESC' if down else 'ASC'}{'' if name in _NEVER_NULL else ' NULLS LAST'}"
            for name, down in whole
        )


def add_reach(conditions: Conditions, dialect: Dialect, reach: Grant | None, alias: str) -> None:
    """The condition that a flow or a run may be seen."""
    if reach is not None and reach.flows:
        begins = (f"substr({alias}.flow_id, 1, {len(one)}) = {conditions.bind(one)}" for one in reach.flows)
        conditions.add(f"({' OR '.join(begins)})")
    if reach is not None and reach.projects:
        tags = [(len(one), conditions.bind(one)) for one in reach.project_tags]
        conditions.add(
            dialect.some_tag(f"{alias}.system_tags", [f"substr(tag.value, 1, {n}) = {one}" for n, one in tags])
        )


def windowed(inner: str, shown: Shown, window: Window, condition: str) -> str:
    """The question for the records of a window, out of the rows of the question `inner`.

    One record more than the window holds is asked for: whether it comes tells whether there is a next page.
    """
    columns = ", ".join(f"x.{name}" for name in shown.columns)
    order = shown.order_by(window)
    if not window.groups:
        return (
            f"SELECT {columns} FROM ({inner}) AS x WHERE {condition} ORDER BY {order}"
            f" LIMIT {window.limit + 1} OFFSET {window.offset}"
        )
    groups = ", ".join(f"x.{name}" for name in window.groups)
    # NULLS LAST stands in windows too, so that groups without a value come last on both databases.
    by_group = ", ".join(f"x.{name} NULLS LAST" for name in window.groups)
    return f"""
        SELECT {columns}, x.of_groups FROM (
            SELECT x.*, row_number() OVER (PARTITION BY {groups} ORDER BY {order}) AS in_group,
                dense_rank() OVER (ORDER BY {by_group}) AS of_groups
            FROM ({inner}) AS x WHERE {condition}
        ) AS x
        WHERE x.in_group <= {window.group_limit}
            AND x.of_groups > {window.offset} AND x.of_groups <= {window.offset + window.limit + 1}
        ORDER BY x.of_groups, x.in_group
    """


def page_of(rows: Sequence[Row], shown: Shown, window: Window, dialect: Dialect, extra: Mapping[str, Any]) -> Page:
    """The page that the rows of `windowed` make. `extra` is what all its records have besides."""
    if window.groups:
        last = window.offset + window.limit
        more = any(row[-1] > last for row in rows)
        return Page([record(row[:-1], shown, dialect, extra) for row in rows if row[-1] <= last], more)
    more = len(rows) > window.limit
    return Page([record(row, shown, dialect, extra) for row in rows[: window.limit]], more)


def record(row: Row, shown: Shown, dialect: Dialect, extra: Mapping[str, Any]) -> Record:
    """A row of the shown columns as the API shows it."""
    made: Record = dict(zip(shown.columns, row, strict=True))
    for name in _JSON_COLUMNS & made.keys():
        made[name] = dialect.raw(made[name])
    if made.get("attempt_ok") is not None:
        # SQLite has no truth values.
        made["attempt_ok"] = bool(made["attempt_ok"])
    made.update(extra)
    return made
