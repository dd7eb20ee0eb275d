"""Lists of records, read in a reader's thread."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import TypeAlias, TypeVar

from metadata_service.domain.selection import Listing, Order, Page
from metadata_service.storage.selecting import Parameters, Row, listing
from metadata_service.storage.sqlite.connections import Connections

R = TypeVar("R")

Question: TypeAlias = tuple[str, Parameters, Callable[[Row], R]]
"""A query, its parameters, and how its rows become records. The first columns of a row are the order's."""


async def read_list(
    connections: Connections,
    ask: Callable[[sqlite3.Connection], Question[R] | None],
    page: Page | None,
    order: Order,
) -> Listing[R]:
    """The records that the question gives. `ask` may read first; None stands for an empty list."""

    def work(connection: sqlite3.Connection) -> Listing[R]:
        question = ask(connection)
        if question is None:
            return Listing([])
        query, parameters, record = question
        return listing(connection.execute(query, parameters).fetchall(), page, order, record)

    return await connections.read(work)
