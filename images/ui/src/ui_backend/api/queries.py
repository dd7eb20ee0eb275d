"""The query of a list, as upstream's UI asks: pages, order, groups, tags and filters."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from metadata_service.api.queries import Fields, Kind, read_query
from metadata_service.domain.refusals import Malformed
from metadata_service.domain.selection import FieldFilter, Order
from ui_backend.reading.lists import ParameterFilter, Shown, Window
from ui_backend.reading.parameters import holding

DEFAULT_LIMIT = 10
MAX_LIMIT = 1000

_MAX_PAGE = 1_000_000

_NUMBERS = frozenset(
    {
        *("run_number", "task_id", "attempt_id", "id", "ts_epoch", "last_heartbeat_ts", "started_at", "finished_at"),
        *("duration", "tasks", "completed", "failed", "running", "pending", "unknown"),
    }
)
_NOT_FILTERED = frozenset({"tags", "system_tags", "attempt_ok"})


def read_window(
    parameters: Iterable[tuple[str, str]],
    shown: Shown,
    groups: Collection[str] = (),
    shared: Collection[str] = (),
    most: int = MAX_LIMIT,
) -> Window:
    """What a list is asked for.

    A page or limit that is none, and columns that the list does not have, are left out, as upstream does. Filters that
    cannot be understood raise Malformed. `shared` are columns that all records have alike: filters on them are left
    out, for the path has said it.
    """
    of_window: dict[str, str] = {}
    rest = []
    held: list[ParameterFilter] = []
    for name, value in parameters:
        if name == "_parameter":
            held.append(_parameter(value))
        elif name.startswith("_") and not name.startswith("_tags"):
            of_window[name] = value
        elif name.partition(":")[0] not in shared:
            rest.append((name, value))
    selection = read_query(rest, Order.RUNS, _fields(shown)).selection
    return Window(
        page=number(of_window, "_page", 1, _MAX_PAGE),
        limit=number(of_window, "_limit", DEFAULT_LIMIT, most),
        order=_order(of_window.get("_order", ""), shown),
        groups=tuple(name for name in of_window.get("_group", "").split(",") if name in groups),
        group_limit=number(of_window, "_group_limit", DEFAULT_LIMIT, most),
        filters=selection.fields,
        tags=selection.tags,
        parameters=tuple(held),
    )


def read_names(parameters: Iterable[tuple[str, str]], field: str) -> tuple[tuple[FieldFilter, ...], int, int, int]:
    """Filters on a list of names, of which `field` is what the query calls them; page, limit and offset."""
    given = list(parameters)
    pages = {name: value for name, value in given if name.startswith("_")}
    filters = [("name" + name[len(field) :], value) for name, value in given if name.partition(":")[0] == field]
    page = number(pages, "_page", 1, _MAX_PAGE)
    limit = number(pages, "_limit", DEFAULT_LIMIT, MAX_LIMIT)
    fields = read_query(filters, Order.RUNS, {"name": "text"}).selection.fields
    return fields, page, limit, (page - 1) * limit


def number(parameters: Mapping[str, str], name: str, default: int, most: int) -> int:
    """A number from 1; the default where none is given, `most` where more is."""
    text = parameters.get(name, "")
    if not (text.isascii() and text.isdigit()):
        return default
    return max(1, min(int(text[:9]), most))


def whole(text: str | None, what: str) -> int | None:
    """A number from 0, or None. Raises Malformed for what is neither."""
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise Malformed(f"{what}: {text[:40]!r} is not a number. Give one from 0, or leave it out.")
    return int(text)


def _parameter(text: str) -> ParameterFilter:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise Malformed(f"_parameter: {text[:40]!r} names no value. Give name=value.")
    return holding(name, value)


def _fields(shown: Shown) -> Fields:
    return {name: _kind(name) for name in shown.columns if name not in _NOT_FILTERED}


def _kind(name: str) -> Kind:
    return "number" if name in _NUMBERS else "text"


def _order(text: str, shown: Shown) -> tuple[tuple[str, bool], ...]:
    """Columns with whether they descend, which they do unless a plus says otherwise."""
    # A plus that was not escaped arrives as a space.
    parts = [(part.lstrip("+- "), not part.startswith(("+", " "))) for part in text.split(",") if part]
    known = [(name, down) for name, down in parts if name in shown.columns and name not in _NOT_FILTERED]
    return tuple({name: (name, down) for name, down in reversed(known)}.values())[::-1]
