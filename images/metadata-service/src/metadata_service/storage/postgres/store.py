"""The store on PostgreSQL as a whole."""

from __future__ import annotations

from metadata_service.domain.refusals import StorageAway
from metadata_service.settings import DatabaseSettings
from metadata_service.storage.interface import Census
from metadata_service.storage.postgres.artifacts import PostgresArtifacts
from metadata_service.storage.postgres.connections import Connection, Connections
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


class PostgresStorage:
    """Implements storage.interface.Storage. Nothing works before `keep` runs and has prepared the database."""

    def __init__(self, settings: DatabaseSettings) -> None:
        self._connections = Connections(settings)
        self.flows = PostgresFlows(self._connections)
        self.runs = PostgresRuns(self._connections, settings.run_cutoff_seconds)
        self.steps = PostgresSteps(self._connections)
        self.tasks = PostgresTasks(self._connections)
        self.artifacts = PostgresArtifacts(self._connections)
        self.metadata = PostgresMetadata(self._connections)
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
        await self._connections.keep(self._prepare)

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
