"""The query of a list: `_limit` and `_cursor`, filters `field:operator=a,b`, and predicates `_tags:mode=a,b`.

A comma that belongs to a value has a backslash before it. A field that the list does not know is ignored, as upstream
does, and the answer names it in a header. Everything else that cannot be served is refused by name.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import msgspec

from metadata_service.domain.refusals import Malformed
from metadata_service.domain.selection import (
    STATUSES,
    Comparison,
    Cursor,
    CursorValue,
    FieldFilter,
    Likeness,
    Order,
    Page,
    Selection,
    TagFilter,
    TagMode,
)

DEFAULT_LIMIT = 50
MAX_LIMIT = 500

Kind: TypeAlias = Literal["number", "text", "status"]
Fields: TypeAlias = Mapping[str, Kind]

NO_FIELDS: Fields = {}
RUN_FIELDS: Fields = {
    "flow_id": "text",
    "run_number": "number",
    "run_id": "text",
    "user_name": "text",
    "ts_epoch": "number",
    "last_heartbeat_ts": "number",
    "user": "text",
    "status": "status",
}
TASK_FIELDS: Fields = {
    "task_id": "number",
    "task_name": "text",
    "user_name": "text",
    "ts_epoch": "number",
    "last_heartbeat_ts": "number",
}

_MAX_INT = 2**63 - 1
_BETWEEN = re.compile(r"(?<!\\),")
_COMPARISONS: tuple[Comparison, ...] = get_args(Comparison)
_LIKENESSES: tuple[Likeness, ...] = get_args(Likeness)
_TAG_MODES: tuple[TagMode, ...] = get_args(TagMode)


@dataclass(frozen=True)
class Query:
    selection: Selection
    ignored: tuple[str, ...]
    """Parameters that this list does not know."""


def read_query(parameters: Iterable[tuple[str, str]], order: Order, fields: Fields) -> Query:
    """What a list is asked for. Any of its parameters asks for a page: without a limit, for the default one.

    Raises Malformed, naming the parameter.
    """
    limit: int | None = None
    after: Cursor | None = None
    filters: list[FieldFilter] = []
    tags: list[TagFilter] = []
    ignored: list[str] = []
    paged = False
    for name, value in parameters:
        field, _, operator = name.partition(":")
        if name == "_limit":
            limit = _limit(value)
        elif name == "_cursor":
            after = decode_cursor(value, order) if value else None
        elif field == "_tags":
            tags.append(_tag_filter(name, operator, value))
        elif field in fields:
            filters.append(_field_filter(name, field, operator or "eq", value, fields[field]))
        elif field.startswith("_") or (field in ("tags", "system_tags") and fields):
            raise Malformed(f"{name}: this list has no such parameter. Use _limit, _cursor, _tags and field filters.")
        else:
            ignored.append(name)
            continue
        paged = True
    page = Page(limit or DEFAULT_LIMIT, after) if paged else None
    return Query(Selection(page, tuple(filters), tuple(tags)), tuple(ignored))


def operators(kind: Kind | Literal["tags"]) -> tuple[str, ...]:
    """The operators that fields of this kind, or the predicates on tags, are asked with."""
    if kind == "tags":
        return _TAG_MODES
    return (*_COMPARISONS, *(() if kind == "number" else _LIKENESSES), "is")


def encode_cursor(cursor: Cursor, order: Order) -> str:
    """The cursor as upstream writes it, so that a listing may go on at either service."""
    names = [name for name, _ in order.fields]
    return base64.b64encode(msgspec.json.encode(dict(zip(names, cursor, strict=True)))).decode()


def decode_cursor(text: str, order: Order) -> Cursor:
    """Raises Malformed for what is no cursor of this list."""
    try:
        content = msgspec.json.decode(base64.b64decode(text, validate=True), type=dict[str, int | str])
        return tuple(_cursor_value(content[name], kind) for name, kind in order.fields)
    except (ValueError, KeyError, RecursionError) as error:
        message = "_cursor: not one that this list gave. Start again without it."
        raise Malformed(message) from error


def _cursor_value(value: CursorValue, kind: type[int] | type[str]) -> CursorValue:
    # Upstream's cursors carry some numbers as text.
    if kind is str:
        return str(value)
    number = int(value)
    if abs(number) > _MAX_INT:
        raise ValueError("out of range")
    return number


def _limit(value: str) -> int:
    if not value:
        return DEFAULT_LIMIT
    number = int(value) if value.isascii() and value.isdigit() and len(value) < 10 else 0
    if number < 1:
        raise Malformed(
            f"_limit: {value[:40]!r} is not a number from 1. Give one; more than {MAX_LIMIT} is cut to that."
        )
    return min(number, MAX_LIMIT)


def _tag_filter(name: str, operator: str, value: str) -> TagFilter:
    for mode in _TAG_MODES:
        if mode == (operator or "all"):
            return TagFilter(mode, _parts(value))
    raise Malformed(f"{name}: unknown operator. Use one of {', '.join(_TAG_MODES)}.")


def _parts(value: str) -> tuple[str, ...]:
    return tuple(part.replace("\\,", ",") for part in _BETWEEN.split(value))


def _field_filter(name: str, field: str, operator: str, value: str, kind: Kind) -> FieldFilter:
    values = tuple(None if part == "null" else _value(name, part, kind) for part in _parts(value))
    if operator == "is":
        if any(part is not None for part in values):
            raise Malformed(f"{name}: only null can be asked for with this operator. Use eq for values.")
        return FieldFilter(field, "eq", values)
    for comparison in _COMPARISONS:
        if comparison == operator:
            return FieldFilter(field, comparison, values)
    for likeness in _LIKENESSES:
        if likeness == operator and kind != "number":
            return FieldFilter(field, likeness, values)
    raise Malformed(f"{name}: unknown operator for this field. Use one of {', '.join(operators(kind))}.")


def _value(name: str, text: str, kind: Kind) -> int | str:
    if kind == "status" and text not in STATUSES:
        raise Malformed(f"{name}: {text[:40]!r} is not a status. Use one of {', '.join(STATUSES)}.")
    if kind != "number":
        return text
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdigit() and len(digits) < 20 and int(digits) <= _MAX_INT):
        raise Malformed(f"{name}: {text[:40]!r} is not a whole number. Times are milliseconds, heartbeats seconds.")
    return int(text)
