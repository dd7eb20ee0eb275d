"""Tokens on PostgreSQL."""

from __future__ import annotations

from metadata_service.domain.tokens import StoredToken, Token
from metadata_service.storage.postgres.connections import Connections
from metadata_service.storage.token_rows import COLUMNS, NEWEST_FIRST, as_row, as_token, no_token


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
