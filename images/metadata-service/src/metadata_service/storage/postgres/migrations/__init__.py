"""The steps from an empty database to today's schema, one file each, read from beside this module.

A file is named by the version that `goose_db_version` records. Its statements are separated by blank lines, and its
head says whether they run in one transaction. Every statement may be run again, so that a run which was killed half way
is simply started once more.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib import resources

_CREATED_INDEX = re.compile(r"^CREATE INDEX CONCURRENTLY IF NOT EXISTS (\w+)")
_TRANSACTION = {"-- transaction: yes": True, "-- transaction: no": False}


@dataclass(frozen=True)
class Migration:
    version: int
    name: str
    in_transaction: bool
    statements: tuple[str, ...]


def created_index(statement: str) -> str | None:
    """The index that the statement builds while the table is in use, or None for any other statement."""
    found = _CREATED_INDEX.match(statement)
    return found.group(1) if found else None


@cache
def all_migrations() -> tuple[Migration, ...]:
    """All steps, oldest first."""
    files = (file for file in resources.files(__name__).iterdir() if file.name.endswith(".sql"))
    return tuple(sorted((_read(file.name, file.read_text("utf-8")) for file in files), key=lambda step: step.version))


def _read(file_name: str, text: str) -> Migration:
    version, _, name = file_name.removesuffix(".sql").partition("_")
    head, *statements = [part.strip() for part in re.split(r"\n\s*\n", text) if part.strip()]
    return Migration(int(version), name, _TRANSACTION[head.splitlines()[-1]], tuple(statements))
