"""What every store must do.

The rules are the same for all of them. A write is recorded whole or not at all. A write that is sent again because its
answer was lost records nothing twice wherever the object has a name of its own. Times are the store's clock: records
in milliseconds, heartbeats in seconds, both since 1970 in UTC.

All methods raise StorageAway while the store cannot be asked, and Malformed for what it cannot hold.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from metadata_service.domain.drafts import NewArtifact, NewFlow, NewMetadatum, NewRun, NewStep, NewTask, TagChange
from metadata_service.domain.garbage import Blob, Collected, Remove, Removed, RunFiles
from metadata_service.domain.keys import Key, RunPath, StepPath, TaskPath
from metadata_service.domain.records import Artifact, Flow, Metadatum, Run, Step, Task
from metadata_service.domain.selection import Listing, Selection, Take
from metadata_service.domain.tokens import StoredToken, Token


class Flows(Protocol):
    async def create(self, flow_id: str, draft: NewFlow) -> Flow:
        """Raises AlreadyThere."""

    async def get(self, flow_id: str) -> Flow:
        """Raises NotFound."""

    async def list(self, selection: Selection) -> Listing[Flow]: ...

    async def delete(self, flow_id: str) -> None:
        """Remove a flow that has no runs. Raises NotFound, and Protected while it has any."""


class Runs(Protocol):
    async def create(self, flow_id: str, draft: NewRun) -> Run:
        """Raises NotFound without the flow, AlreadyThere when the name is taken."""

    async def get(self, path: RunPath) -> Run:
        """Raises NotFound."""

    async def list(self, flow_id: str, selection: Selection) -> Listing[Run]:
        """Nothing when there is no such flow."""

    async def give(self, flow_id: str, selection: Selection, take: Take[Run]) -> None:
        """The whole list in parts, of which no more than one is held. When it raises, what was taken is not whole."""

    async def beat(self, path: RunPath) -> None:
        """Record that the run is alive. Raises NotFound."""

    async def change_tags(self, path: RunPath, change: TagChange) -> tuple[str, ...]:
        """Remove, then add user tags; gives those that the run has then. Changes of one run wait for each other.

        A system tag is not added again as a user tag. Raises NotFound, and Protected for removing a system tag.
        """

    async def origins(self, flow_id: str) -> tuple[tuple[Key, str], ...]:
        """Runs of the flow, each with one that it was resumed from, as its tasks say."""

    async def delete(self, path: RunPath) -> Removed:
        """Remove the run with all that belongs to it, and remember what it leaves in the datastore. Raises NotFound."""


class Steps(Protocol):
    async def create(self, path: StepPath, draft: NewStep) -> Step:
        """Raises NotFound without the run, AlreadyThere."""

    async def get(self, path: StepPath) -> Step:
        """Raises NotFound."""

    async def list(self, path: RunPath, selection: Selection) -> Listing[Step]:
        """Nothing when there is no such run."""


class Tasks(Protocol):
    async def create(self, path: StepPath, draft: NewTask) -> Task:
        """Also a sign of life of the run, if its client sends any. Raises NotFound without the step, AlreadyThere."""

    async def get(self, path: TaskPath) -> Task:
        """Raises NotFound."""

    async def list(self, path: StepPath, selection: Selection) -> Listing[Task]:
        """Nothing when there is no such step."""

    async def give(self, path: StepPath, selection: Selection, take: Take[Task]) -> None:
        """The whole list, as that of runs."""

    async def beat(self, path: TaskPath) -> None:
        """Record that the task, and so its run, is alive. Raises NotFound."""

    async def with_metadata(self, path: StepPath, field_name: str | None, pattern: str | None) -> tuple[str, ...]:
        """Path specs of the step's tasks that have metadata of this field whose value the pattern is found in.

        Without either, all tasks of the step. Raises Malformed for a bad pattern.
        """


class Artifacts(Protocol):
    async def record(self, path: TaskPath, drafts: Sequence[NewArtifact]) -> int:
        """Record all of them; gives how many were new. One that this attempt has recorded before stays as it was.

        Raises NotFound without the task.
        """

    async def get(self, path: TaskPath, name: str, attempt: int | None) -> Artifact:
        """The artifact of an attempt, by default the task's latest. Raises NotFound."""

    async def list(self, scope: RunPath | StepPath | TaskPath, selection: Selection) -> Listing[Artifact]:
        """Those of the latest attempt of each task. Nothing when there is no such run, step or task."""

    async def give(self, scope: RunPath | StepPath, selection: Selection, take: Take[Artifact]) -> None:
        """The whole list, as that of runs."""

    async def list_of_attempt(self, path: TaskPath, attempt: int) -> Listing[Artifact]: ...


class Metadata(Protocol):
    async def record(self, path: TaskPath, drafts: Sequence[NewMetadatum]) -> int:
        """Record all of them, in this order; gives their number. Raises NotFound without the task."""

    async def list(self, scope: RunPath | TaskPath, selection: Selection) -> Listing[Metadatum]:
        """Nothing when there is no such run or task."""

    async def give(self, scope: RunPath, selection: Selection, take: Take[Metadatum]) -> None:
        """The whole list, as that of runs."""


class Garbage(Protocol):
    """What removed runs left in the datastore."""

    async def flows(self) -> list[str]:
        """The flows of which there is any."""

    async def collect(self, flow_id: str, root: str, quiet_ms: int, most: int, remove: Remove) -> Collected:
        """Let `remove` take a batch of blobs under the root that no run refers to.

        These are forgotten, and so are those that some run does refer to.

        Until it returns no run of the flow begins. Nothing is done while one may be writing: it has not completed,
        and gave a sign of life within `quiet_ms`. Nothing freed, nothing saved and not busy means that no blobs are
        left. `remove` may be called again with the same blobs.
        """

    async def promise(self, flow_id: str, runs: Sequence[Key]) -> list[Blob]:
        """The blobs that no run would refer to any more if these were removed too."""

    async def run_files(self, flow_id: str) -> list[RunFiles]: ...

    async def forget_run(self, flow_id: str, files: RunFiles) -> None: ...


class Tokens(Protocol):
    async def store(self, token: StoredToken) -> None: ...

    async def find(self, token_id: str) -> StoredToken | None: ...

    async def list(self) -> list[Token]:
        """All of them, also those that have expired; the newest first."""

    async def expire(self, token_id: str, at: int) -> None:
        """Let it be valid no longer than until then, in seconds since 1970. Raises NotFound."""


@dataclass(frozen=True)
class Census:
    """How much a store holds."""

    rows: dict[str, int]
    """Rows by table, as well as is known without counting them."""
    recent_runs: dict[str, int]
    """Runs of the last day by status; of more than a thousand the newest."""


class Storage(Protocol):
    @property
    def flows(self) -> Flows: ...

    @property
    def runs(self) -> Runs: ...

    @property
    def steps(self) -> Steps: ...

    @property
    def tasks(self) -> Tasks: ...

    @property
    def artifacts(self) -> Artifacts: ...

    @property
    def metadata(self) -> Metadata: ...

    @property
    def garbage(self) -> Garbage: ...

    @property
    def tokens(self) -> Tokens: ...

    def load(self) -> dict[str, float]:
        """How busy the store is now: connections, and what waits for them."""

    async def count(self) -> Census: ...

    async def ask(self) -> None:
        """Return if the store answers and is ready for all of the above."""
