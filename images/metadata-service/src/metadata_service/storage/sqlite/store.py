"""The store in SQLite as a whole."""

from __future__ import annotations

import asyncio

from metadata_service.settings import SqliteSettings
from metadata_service.storage.interface import Census
from metadata_service.storage.sqlite.artifacts import SqliteArtifacts
from metadata_service.storage.sqlite.connections import Connections
from metadata_service.storage.sqlite.flows import SqliteFlows
from metadata_service.storage.sqlite.garbage import SqliteGarbage
from metadata_service.storage.sqlite.metadata import SqliteMetadata
from metadata_service.storage.sqlite.runs import SqliteRuns
from metadata_service.storage.sqlite.steps import SqliteSteps
from metadata_service.storage.sqlite.tasks import SqliteTasks
from metadata_service.storage.sqlite.tokens import SqliteTokens


class SqliteStorage:
    """Implements storage.interface.Storage. Nothing works before `keep` runs and has opened the file.

    On connections that somebody else opens and closes `keep` and `close` are not called.
    """

    def __init__(self, settings: SqliteSettings, connections: Connections | None = None) -> None:
        self._connections = connections or Connections(settings)
        self.flows = SqliteFlows(self._connections)
        self.runs = SqliteRuns(self._connections, settings.run_cutoff_seconds)
        self.steps = SqliteSteps(self._connections)
        self.tasks = SqliteTasks(self._connections)
        self.artifacts = SqliteArtifacts(self._connections)
        self.metadata = SqliteMetadata(self._connections)
        self.garbage = SqliteGarbage(self._connections)
        self.tokens = SqliteTokens(self._connections)

    def load(self) -> dict[str, float]:
        return self._connections.load()

    async def count(self) -> Census:
        # Only what has numbers of its own is known without reading it all.
        query = "SELECT (SELECT last FROM numbers WHERE of = 'run'), (SELECT max(id) FROM metadata_v3)"
        runs, metadata = await self._connections.read(lambda connection: connection.execute(query).fetchone())
        return Census({"runs": runs, "metadata": metadata or 0}, await self.runs.count_recent())

    async def ask(self) -> None:
        await self._connections.read(lambda connection: connection.execute("SELECT count(*) FROM numbers").fetchone())

    async def keep(self) -> None:
        """Open the file and keep it open. Ends only when cancelled; raises StorageAway when it cannot be opened."""
        await self._connections.open()
        await asyncio.Event().wait()

    async def close(self) -> None:
        await self._connections.close()
