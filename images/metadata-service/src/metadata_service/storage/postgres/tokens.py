"""Tokens on PostgreSQL, in a schema of our own: upstream's has no place for them, and must stay as it is."""

from __future__ import annotations

from metadata_service.domain.tokens import StoredToken, Token
from metadata_service.storage.postgres.connections import Connection, Connections
from metadata_service.storage.token_rows import COLUMNS, DEFINITION, NEWEST_FIRST, as_row, as_token, no_token

# Told apart from all other locks by its letters, as that of the migrations is.
_LOCK = int.from_bytes(b"tokens", "big")


async def make_tables(connection: Connection) -> None:
    """Make the schema and its table where they are not there."""
    found = await (await connection.execute("SELECT to_regclass('tributary.tokens')")).fetchone()
    if found is not None and found[0] is not None:
        return
    async with connection.transaction():
        # IF NOT EXISTS alone fails when two do it at once.
        await connection.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        await connection.execute("CREATE SCHEMA IF NOT EXISTS tributary")
        await connection.execute(f"CREATE TABLE IF NOT EXISTS tributary.tokens ({DEFINITION})")


class PostgresTokens:
    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def store(self, token: StoredToken) -> None:
        row = as_row(token)
        values = ", ".join(f"%({name})s" for name in row)
        async with self._connections.connection() as connection:
            await connection.execute(f"INSERT INTO tributary.tokens ({', '.join(row)}) VALUES ({values})", row)

    async def find(self, token_id: str) -> StoredToken | None:
        query = f"SELECT {COLUMNS} FROM tributary.tokens WHERE token_id = %s"
        async with self._connections.connection() as connection:
            row = await (await connection.execute(query, [token_id])).fetchone()
        return None if row is None else as_token(row)

    async def list(self) -> list[Token]:
        query = f"SELECT {COLUMNS} FROM tributary.tokens {NEWEST_FIRST}"
        async with self._connections.connection() as connection:
            rows = await (await connection.execute(query)).fetchall()
        return [as_token(row).shown for row in rows]

    async def expire(self, token_id: str, at: int) -> None:
        # The earlier of the two counts: a token that was revoked does not come back.
        update = "UPDATE tributary.tokens SET expires_ts = least(expires_ts, %s) WHERE token_id = %s"
        async with self._connections.connection() as connection:
            if (await connection.execute(update, [at, token_id])).rowcount == 0:
                raise no_token(token_id)
