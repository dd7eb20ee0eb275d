"""All that can be asked of one database."""

from __future__ import annotations

from dataclasses import dataclass

from ui_backend.reading.ages import Ages
from ui_backend.reading.below import Artifacts, Flows, Metadata
from ui_backend.reading.changes import Changes, changes_of
from ui_backend.reading.databases import Database
from ui_backend.reading.names import Naming
from ui_backend.reading.runs import Runs
from ui_backend.reading.steps import Steps
from ui_backend.reading.tasks import Tasks
from ui_backend.reading.timelines import Timelines


@dataclass(frozen=True)
class Reading:
    database: Database
    flows: Flows
    runs: Runs
    steps: Steps
    tasks: Tasks
    metadata: Metadata
    artifacts: Artifacts
    names: Naming
    changes: Changes
    timelines: Timelines

    @classmethod
    def of(cls, database: Database, ages: Ages) -> Reading:
        return cls(
            database=database,
            flows=Flows(database),
            runs=Runs(database, ages),
            steps=Steps(database, ages),
            tasks=Tasks(database, ages),
            metadata=Metadata(database),
            artifacts=Artifacts(database),
            names=Naming(database),
            changes=changes_of(database, ages),
            timelines=Timelines(database, ages),
        )
