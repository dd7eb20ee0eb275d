"""Tokens in SQLite."""

from __future__ import annotations

import sqlite3

from metadata_service.domain.tokens import StoredToken, Token
from metadata_service.storage.sqlite.connections import Connections
from metadata_service.storage.token_rows import COLUMNS, NEWEST_FIRST, as_row, as_token, no_token


class SqliteTokens:
    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def store(self, token: StoredToken) -> None:
        row = as_row(token)
        insert = f"INSERT INTO tokens ({', '.join(row)}) VALUES ({', '.join(f':{name}' for name in row)})"

        def work(connection: sqlite3.Connection) -> None:
            connection.execute(insert, row)

        await self._connections.write(work)

    async def find(self, token_id: str) -> StoredToken | None:
        query = f"SELECT {COLUMNS} FROM tokens WHERE token_id = ?"
        row = await self._connections.read(lambda connection: connection.execute(query, [token_id]).fetchone())
        return None if row is None else as_token(row)

    async def list(self) -> list[Token]:
        query = f"SELECT {COLUMNS} FROM tokens {NEWEST_FIRST}"
        rows = await self._connections.read(lambda connection: connection.execute(query).fetchall())
        return [as_token(row).shown for row in rows]

    async def expire(self, token_id: str, at: int) -> None:
        # The earlier of the two counts: a token that was revoked does not come back.
        update = "UPDATE tokens SET expires_ts = min(coalesce(expires_ts, :at), :at) WHERE token_id = :id"

        def work(connection: sqlite3.Connection) -> None:
            if connection.execute(update, {"at": at, "id": token_id}).rowcount == 0:
                raise no_token(token_id)

        await self._connections.write(work)
