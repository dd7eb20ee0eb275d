"""Selections as SQL: conditions on fields and tags, the cursor, the order and the limit.

What all stores share. Only names from the tables below come into the text. Values are always parameters.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from metadata_service.domain.selection import FieldFilter, Listing, Order, Page, Selection, TagFilter

Parameters = dict[str, Any]
Row = tuple[Any, ...]
R = TypeVar("R")

TOGETHER = 1000
"""Rows of a whole list that are held at once."""

_COMPARISONS = {"lt": "<", "le": "<=", "gt": ">", "ge": ">="}
PATTERNS: Mapping[str, Callable[[str], str]] = {
    "co": lambda text: f"%{_literal(text)}%",
    "sw": lambda text: f"{_literal(text)}%",
    "ew": lambda text: f"%{_literal(text)}",
    "li": lambda text: text,
}
"""What each likeness means as a pattern of LIKE."""


class Conditions(ABC):
    """Gathers conditions that must all hold, and their parameters under names that do not meet."""

    def __init__(self, parameters: Parameters) -> None:
        self.parameters = dict(parameters)
        self._conditions: list[str] = []

    def add(self, condition: str) -> None:
        self._conditions.append(condition)

    def bind(self, value: object) -> str:
        """The marker of the value."""
        name = f"v{len(self.parameters)}"
        self.parameters[name] = value
        return self.marker(name)

    def add_selection(self, selection: Selection, columns: Mapping[str, str], tags: str) -> None:
        """What a list was asked for. `columns` maps fields to SQL; `tags` is the SQL of all tags of a row."""
        self.add_fields(selection.fields, columns)
        for tag in selection.tags:
            self.add(self.tagged(tags, tag))

    def add_fields(self, fields: Sequence[FieldFilter], columns: Mapping[str, str]) -> None:
        """Filters on fields alone, for rows whose tags are those of their run."""
        for field in fields:
            self.add(self._field(columns[field.field], field))

    def sql(self) -> str:
        return " AND ".join(self._conditions) or "true"

    @abstractmethod
    def marker(self, name: str) -> str:
        """How the driver writes the parameter of this name."""

    @abstractmethod
    def differs(self, column: str, value: str) -> str:
        """The column has not this value, or none at all."""

    @abstractmethod
    def like(self, column: str, pattern: str) -> str:
        """The column is like the pattern, upper and lower case alike."""

    @abstractmethod
    def tagged(self, tags: str, tag: TagFilter) -> str:
        """The predicate on the tags of a row."""

    def _field(self, column: str, field: FieldFilter) -> str:
        joined = " AND " if field.operator == "ne" else " OR "
        return f"({joined.join(self._comparison(column, field.operator, value) for value in field.values)})"

    def _comparison(self, column: str, operator: str, value: int | str | None) -> str:
        if value is None:
            return f"{column} IS NOT NULL" if operator == "ne" else f"{column} IS NULL"
        match operator:
            case "eq":
                return f"{column} = {self.bind(value)}"
            case "ne":
                # A run without a value is not one with this value.
                return self.differs(column, self.bind(value))
            case "lt" | "le" | "gt" | "ge":
                return f"{column} {_COMPARISONS[operator]} {self.bind(value)}"
            case _:
                return self.like(column, self.bind(PATTERNS[operator](str(value))))


def paged(conditions: Conditions, page: Page | None, order: Order, alias: str) -> str:
    """Adds the cursor's condition; gives the ORDER BY and LIMIT.

    One record more than the page holds is asked for: whether it comes tells whether there is a next page. A whole list
    is given oldest first, in the order in which things happened.
    """
    columns = [f"{alias}.{name}" for name, _ in order.fields]
    if page is None:
        return f"ORDER BY {', '.join(columns)}"
    if page.after is not None:
        conditions.add(f"({', '.join(columns)}) < ({', '.join(conditions.bind(value) for value in page.after)})")
    return f"ORDER BY {', '.join(f'{column} DESC' for column in columns)} LIMIT {page.limit + 1}"


def listing(rows: Sequence[Row], page: Page | None, order: Order, record: Callable[[Row], R]) -> Listing[R]:
    """The page that the rows make. The first columns of a row are the order's."""
    if page is None or len(rows) <= page.limit:
        return Listing([record(row) for row in rows])
    rows = rows[: page.limit]
    return Listing([record(row) for row in rows], rows[-1][: len(order.fields)])


def _literal(text: str) -> str:
    """The text with LIKE's wildcards taken literally."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
