"""Lists of records: at once, or in parts as the database gives them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import TypeAlias, TypeVar, cast

from psycopg import capabilities

from metadata_service.domain.selection import Listing, Order, Page, Take
from metadata_service.storage.postgres.connections import Connection, Reading
from metadata_service.storage.selecting import TOGETHER, Parameters, Row, listing

R = TypeVar("R")

Question: TypeAlias = tuple[str, Parameters, Callable[[Row], R]]
"""A query, its parameters, and how its rows become records. The first columns of a row are the order's."""

Ask: TypeAlias = Callable[[Connection], Awaitable[Question[R] | None]]
"""Gives the question. It may read first; None stands for an empty list."""


async def read_list(reading: Reading, ask: Ask[R], page: Page | None, order: Order) -> Listing[R]:
    """The records that the question gives, all in memory."""
    async with reading.connection() as connection:
        question = await ask(connection)
        if question is None:
            return Listing([])
        query, parameters, record = question
        rows = await (await connection.execute(query, parameters)).fetchall()
    return listing(rows, page, order, record)


async def give_list(reading: Reading, ask: Ask[R], take: Take[R]) -> None:
    """Let `take` have them as they come. The statement is planned anew each time, so this is for what may be long."""
    async with reading.connection() as connection:
        question = await ask(connection)
        if question is None:
            return
        query, parameters, record = question
        records: list[R] = []
        # Rows cross from the driver's library one at a time where it is older than 17.
        size = TOGETHER if capabilities.has_stream_chunked() else 1
        stream = cast("AsyncGenerator[Row, None]", connection.cursor().stream(query, parameters, size=size))
        # Closed at once when `take` raises: the connection goes back to the pool.
        async with aclosing(stream) as rows:
            async for row in rows:
                records.append(record(row))
                if len(records) == TOGETHER:
                    take(records)
                    records.clear()
        take(records)
