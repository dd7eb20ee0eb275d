"""How a path names a flow, a run, a step and a task.

A run has a number that the database gave, and it may have a name that the client gave; so has a task. A path may use
either: digits mean the number, anything else the name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from metadata_service.domain.refusals import Malformed, NotFound

Key: TypeAlias = int | str
"""A number that the database gave, or a name that the client gave."""

MAX_NAME = 255
"""Characters that the schema's columns hold."""

MAX_GIVEN = 2**31 - 1
"""The highest number that the schema gives to a run. Local metadata takes the time for one, which is higher."""

_MAX_NUMBER = 2**63 - 1


@dataclass(frozen=True)
class RunPath:
    flow_id: str
    run: Key


@dataclass(frozen=True)
class StepPath:
    flow_id: str
    run: Key
    step_name: str


@dataclass(frozen=True)
class TaskPath:
    flow_id: str
    run: Key
    step_name: str
    task: Key


def is_number(segment: str) -> bool:
    return segment.isascii() and segment.isdigit()


def key(segment: str, what: str) -> Key:
    """The key that a segment of a path stands for. `what` names the thing in the message.

    Raises NotFound for a number that no database could have given.
    """
    if not is_number(segment):
        return segment
    # A very long run of digits would make int() raise, so its length is looked at first.
    digits = segment.lstrip("0") or "0"
    if len(digits) > len(str(_MAX_NUMBER)) or int(digits) > _MAX_NUMBER:
        raise NotFound(f"{what} {segment[:40]!r} does not exist.")
    return int(digits)


def new_name(name: str, what: str) -> str:
    """The name, if an object may be created under it.

    Raises Malformed for a name that does not fit its column, or that no path could ever reach.
    """
    if len(name) > MAX_NAME:
        raise Malformed(f"{what}: the name has {len(name)} characters. Give one of at most {MAX_NAME}.")
    if not name or "/" in name:
        raise Malformed(f"{what}: {name!r} cannot be part of a path. Give a name without a slash.")
    return name


def new_client_key(name: str | None, what: str) -> str | None:
    """A name that the client chose for a run or a task; None asks the database for a number.

    Raises Malformed for a name of digits, which every later path would read as a number.
    """
    if name is None:
        return None
    if is_number(name):
        raise Malformed(f"{what}: {name!r} is a number, and numbers are given by the service. Give a name or nothing.")
    return new_name(name, what)
