"""Lists of records, read in a reader's thread."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import TypeAlias, TypeVar

from metadata_service.domain.selection import Listing, Order, Page, Take
from metadata_service.storage.selecting import TOGETHER, Parameters, Row, listing
from metadata_service.storage.sqlite.connections import Connections

R = TypeVar("R")

Question: TypeAlias = tuple[str, Parameters, Callable[[Row], R]]
"""A query, its parameters, and how its rows become records. The first columns of a row are the order's."""

Ask: TypeAlias = Callable[[sqlite3.Connection], Question[R] | None]
"""Gives the question. It may read first; None stands for an empty list."""


async def read_list(connections: Connections, ask: Ask[R], page: Page | None, order: Order) -> Listing[R]:
    """The records that the question gives, all in memory."""

    def work(connection: sqlite3.Connection) -> Listing[R]:
        question = ask(connection)
        if question is None:
            return Listing([])
        query, parameters, record = question
        return listing(connection.execute(query, parameters).fetchall(), page, order, record)

    return await connections.read(work)


async def give_list(connections: Connections, ask: Ask[R], take: Take[R]) -> None:
    """Let `take` have them as they come, in the reader's thread."""

    def work(connection: sqlite3.Connection) -> None:
        question = ask(connection)
        if question is None:
            return
        query, parameters, record = question
        cursor = connection.execute(query, parameters)
        while rows := cursor.fetchmany(TOGETHER):
            take([record(row) for row in rows])

    await connections.read(work)
