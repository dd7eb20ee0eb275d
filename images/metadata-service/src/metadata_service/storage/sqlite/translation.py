"""What an error of SQLite means for a client. Everything that is not named here is a bug of ours."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from metadata_service.domain.refusals import Malformed, Refusal, StorageAway, StorageBusy

# Result codes of https://www.sqlite.org/rescode.html, by the part that all codes of a kind share.
_BUSY = {5, 6, 9}  # SQLITE_BUSY, LOCKED, INTERRUPT
_AWAY = {3, 8, 10, 11, 13, 14, 15, 26}  # PERM, READONLY, IOERR, CORRUPT, FULL, CANTOPEN, PROTOCOL, NOTADB
_TOO_BIG = 18

# Python before 3.11 does not give the code, only the text.
_BY_TEXT = {
    "locked": 5,
    "interrupted": 9,
    "unable to open": 14,
    "disk is full": 13,
    "readonly": 8,
    "disk I/O": 10,
    "malformed": 11,
    "not a database": 26,
    "too big": _TOO_BIG,
}


def meaning(error: sqlite3.Error) -> Refusal | None:
    """The reason to give to the client, or None when the error is a bug."""
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:
        code = next((number for words, number in _BY_TEXT.items() if words in str(error)), 1)
    match code & 0xFF:
        case kind if kind in _BUSY:
            return StorageBusy(f"The database could not do it now: {error}.")
        case kind if kind in _AWAY:
            return StorageAway(f"The database file cannot be used: {error}.")
        case kind if kind == _TOO_BIG:
            return Malformed("The request has a text that is longer than the database holds. Send it in parts.")
    return None


@contextmanager
def translated() -> Iterator[None]:
    """Raise SQLite's errors as reasons; let a bug through as it is."""
    try:
        yield
    except sqlite3.Error as error:
        if reason := meaning(error):
            raise reason from error
        raise
