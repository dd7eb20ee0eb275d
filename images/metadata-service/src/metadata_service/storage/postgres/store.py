"""The store on PostgreSQL as a whole."""

from __future__ import annotations

import asyncio

from metadata_service.domain.refusals import StorageAway
from metadata_service.settings import DatabaseSettings
from metadata_service.storage.interface import Census
from metadata_service.storage.postgres.artifacts import PostgresArtifacts
from metadata_service.storage.postgres.connections import Connection, Connections, Reading
from metadata_service.storage.postgres.counting import count_rows
from metadata_service.storage.postgres.flows import PostgresFlows
from metadata_service.storage.postgres.garbage import PostgresGarbage
from metadata_service.storage.postgres.metadata import PostgresMetadata
from metadata_service.storage.postgres.migrate import migrate, plan
from metadata_service.storage.postgres.own_tables import make_tables
from metadata_service.storage.postgres.runs import PostgresRuns
from metadata_service.storage.postgres.steps import PostgresSteps
from metadata_service.storage.postgres.tasks import PostgresTasks
from metadata_service.storage.postgres.tokens import PostgresTokens

_ASK_SECONDS = 2.0
_WITHOUT_REPLICA = "This was of the replica. Lists are read from the database itself"


class PostgresStorage:
    """Implements storage.interface.Storage. Nothing works before `keep` runs and has prepared the database.

    On connections that somebody else keeps, who then prepares and closes them too, `keep` and `close` are not called.
    """

    def __init__(self, settings: DatabaseSettings, connections: Connections | None = None) -> None:
        self._connections = connections or Connections(settings)
        replica = settings.replica()
        self._replica = Connections(replica, _WITHOUT_REPLICA) if replica is not None else None
        reading = Reading(self._connections, self._replica)
        self.flows = PostgresFlows(self._connections, reading)
        self.runs = PostgresRuns(self._connections, reading, settings.run_cutoff_seconds)
        self.steps = PostgresSteps(self._connections, reading)
        self.tasks = PostgresTasks(self._connections, reading)
        self.artifacts = PostgresArtifacts(self._connections, reading)
        self.metadata = PostgresMetadata(self._connections, reading)
        self.garbage = PostgresGarbage(self._connections)
        self.tokens = PostgresTokens(self._connections)
        self._shared_sessions = settings.shared_sessions
        self._own_tables = settings.own_tables

    def load(self) -> dict[str, float]:
        return self._connections.load()

    async def count(self) -> Census:
        return Census(await count_rows(self._connections), await self.runs.count_recent())

    async def ask(self) -> None:
        await self._connections.ask(_ASK_SECONDS)

    async def keep(self) -> None:
        """Connect, bring the schema up to date, and stay connected. Ends only when cancelled."""
        if self._replica is None:
            await self._connections.keep(self._prepare)
            return
        await asyncio.gather(self._connections.keep(self._prepare), self._replica.keep(_nothing))

    async def _prepare(self, connection: Connection) -> None:
        if self._shared_sessions:
            # The lock of a migration is a session's, and so is what its statements set.
            if not (await plan(connection)).current:
                raise StorageAway("The schema is not up to date. Run migrate, on PostgreSQL itself, not the pooler.")
        else:
            await migrate(connection)
        if self._own_tables:
            await make_tables(connection)

    async def close(self) -> None:
        await self._connections.close()
        if self._replica is not None:
            await self._replica.close()


async def _nothing(connection: Connection) -> None:
    """A replica gets its schema from the database that it follows."""
