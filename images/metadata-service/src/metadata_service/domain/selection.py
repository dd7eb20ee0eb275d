"""Which records of a list are asked for: a page, filters on fields, and predicates on tags."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Generic, Literal, TypeAlias, TypeVar

CursorValue: TypeAlias = int | str
Cursor: TypeAlias = tuple[CursorValue, ...]
"""The sort key of the last record of a page."""

R = TypeVar("R")

Take: TypeAlias = Callable[[Sequence[R]], None]
"""What becomes of the records of a whole list, some at a time, in their order. It may be called from any thread."""


STATUSES = ("running", "completed", "failed")
"""What a run can be."""


class Order(Enum):
    """The sort key of each list, newest first; the time alone would not be unique."""

    FLOWS = (("ts_epoch", int), ("flow_id", str))
    RUNS = (("ts_epoch", int), ("run_number", int))
    STEPS = (("ts_epoch", int), ("step_name", str))
    TASKS = (("ts_epoch", int), ("task_id", int))
    METADATA = (("ts_epoch", int), ("id", int))
    ARTIFACTS = (("ts_epoch", int), ("task_id", int), ("name", str))

    def __init__(self, *fields: tuple[str, type[int] | type[str]]) -> None:
        self.fields = fields


@dataclass(frozen=True)
class Page:
    """At most `limit` records after the one that `after` stands for, or from the newest."""

    limit: int
    after: Cursor | None = None


Comparison = Literal["eq", "ne", "lt", "le", "gt", "ge"]
Likeness = Literal["co", "sw", "ew", "li"]


@dataclass(frozen=True)
class FieldFilter:
    """One field compared with values. Any of them may hold; with `ne` none may be equal. None stands for no value."""

    field: str
    operator: Comparison | Likeness
    values: tuple[int | str | None, ...]


TagMode = Literal["any", "all", "likeany", "likeall"]


@dataclass(frozen=True)
class TagFilter:
    """Tags and system tags together: have any or all of these, or be like any or all of these."""

    mode: TagMode
    tags: tuple[str, ...]

    def holds(self, tags: Collection[str]) -> bool:
        """Whether an object with these tags is wanted."""
        match self.mode:
            case "any":
                return any(tag in tags for tag in self.tags)
            case "all":
                return all(tag in tags for tag in self.tags)
            case "likeany":
                return any(part in tag for part in self.tags for tag in tags)
            case "likeall":
                return all(any(part in tag for tag in tags) for part in self.tags)


@dataclass(frozen=True)
class Selection:
    """What a list is asked for. Without a page all records are given."""

    page: Page | None = None
    fields: tuple[FieldFilter, ...] = ()
    tags: tuple[TagFilter, ...] = ()


EVERYTHING = Selection()


@dataclass(frozen=True)
class Listing(Generic[R]):
    """Records, and the cursor of the last one if there are more after it."""

    records: list[R]
    next: Cursor | None = None
