"""How many rows there are, as the database estimates: counting them would read them all."""

from __future__ import annotations

from metadata_service.storage.postgres.connections import Connections

# Before a table was first analysed its estimate is -1.
_ESTIMATES = """
SELECT relname, greatest(reltuples, 0)::bigint FROM pg_class
WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r' AND relname LIKE '%\\_v3'
"""


async def count_rows(connections: Connections) -> dict[str, int]:
    """Rows by table, without the ending that all names have."""
    async with connections.connection() as connection:
        rows = await (await connection.execute(_ESTIMATES)).fetchall()
    return {name.removesuffix("_v3"): count for name, count in rows}
