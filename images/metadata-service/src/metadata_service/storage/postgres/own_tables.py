"""Tables of our own, in a schema of our own: upstream's has no place for them, and must stay as it is.

They are made when they are first needed. A user who may not make a schema still gets all that upstream has.
"""

from __future__ import annotations

from metadata_service.storage.garbage_rows import DEFINITION as GARBAGE
from metadata_service.storage.postgres.connections import Connection
from metadata_service.storage.token_rows import DEFINITION as TOKENS

# Told apart from all other locks by its letters, as that of the migrations is.
_LOCK = int.from_bytes(b"own", "big")


async def make_tables(connection: Connection) -> None:
    """Make the schema and its tables where they are not there."""
    found = await (await connection.execute("SELECT to_regclass('tributary.garbage') IS NOT NULL")).fetchone()
    if found is not None and found[0]:
        return
    async with connection.transaction():
        await make_schema(connection)
        await connection.execute(f"CREATE TABLE IF NOT EXISTS tributary.tokens ({TOKENS})")
        await connection.execute(f"CREATE TABLE IF NOT EXISTS tributary.garbage ({GARBAGE})")


async def make_schema(connection: Connection) -> None:
    """Make the schema where it is not there, and let nobody else change what is in it until the transaction ends."""
    # IF NOT EXISTS alone fails when two do it at once.
    await connection.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
    # Asked first: who may not make schemas may still use one that is there.
    found = await (await connection.execute("SELECT to_regnamespace('tributary') IS NOT NULL")).fetchone()
    if found is None or not found[0]:
        await connection.execute("CREATE SCHEMA tributary")
