"""What an error of PostgreSQL means for a client: refuse, or ask to try again. Everything else is a bug of ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg_pool import PoolClosed, PoolTimeout, TooManyRequests

from metadata_service.domain.refusals import Malformed, NotFound, Protected, Refusal, StorageAway, StorageBusy

# Codes of https://www.postgresql.org/docs/current/errcodes-appendix.html
_MALFORMED = {
    "22001": "a value is longer than its column",
    "22003": "a number is out of range",
    "22021": "a text has a character that the database cannot hold",
    "22P05": "a text has a character that the database cannot hold",
    "2201B": "the pattern is not a regular expression",
    "54000": "the names together are longer than an index of the database holds",
}

_GONE = "23503"
"""A row that another one refers to is not there: somebody removed it meanwhile."""

_NOT_ALLOWED = "42501"

_BUSY = ("40", "55", "57014")
"""A transaction that another one displaced, a lock that is not to be had, a statement that took too long."""

_AWAY = (
    "08",  # the connection
    "53",  # no connections, memory or disk left
    "57",  # shutting down or starting up
    "58",  # the server's disk
    "28",  # the password, or the database itself, is not there yet
    "3D",
    "25",  # a server that only reads, as after a failover
)


def meaning(error: psycopg.Error) -> Refusal | None:
    """The reason to give to the client, or None when the error is a bug."""
    state = error.sqlstate
    if state is None:
        # No code: the server did not say it. The driver refuses a text with NUL before it is sent.
        if isinstance(error, psycopg.DataError):
            return Malformed("The request has a text that the database cannot hold. Leave NUL characters out.")
        if isinstance(error, (psycopg.OperationalError, psycopg.InterfaceError)):
            return StorageAway(f"The database is away: {one_line(error)}.")
        return None
    if reason := _MALFORMED.get(state):
        return Malformed(f"The request cannot be stored: {reason}. Send it shorter or without it.")
    if state == _GONE:
        return NotFound("The run was removed meanwhile, or one was begun in what was to be removed.")
    if state == _NOT_ALLOWED:
        return Protected(f"The service's user of the database may not do this: {one_line(error)}. Grant it.")
    if state.startswith(_BUSY):
        return StorageBusy(f"The database could not do it now: {one_line(error)}.")
    if state.startswith(_AWAY):
        return StorageAway(f"The database does not answer: {one_line(error)}.")
    return None


def one_line(error: psycopg.Error) -> str:
    """What the error says, on one line. The driver never puts the password into it."""
    primary = error.diag.message_primary
    return " ".join((primary or str(error)).split()).rstrip(".") or type(error).__name__


@contextmanager
def translated() -> Iterator[None]:
    """Raise the driver's errors as reasons; let a bug through as it is."""
    try:
        yield
    except (PoolTimeout, PoolClosed, TooManyRequests) as error:
        raise StorageAway("The database is away, or all connections to it are busy.") from error
    except psycopg.Error as error:
        if reason := meaning(error):
            raise reason from error
        raise
