"""What is carried: flows, and runs with all that belongs to them, in the same words wherever they come from.

A run or a task is known by its key: the number that it is reached by, or its name. Numbers behind a name are each
place's own, and so are the ids of metadata; neither is carried.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from metadata_service.domain.keys import Key

Json = str | None
"""JSON in one spelling, or None for a column that is empty."""

KINDS = ("flows", "runs", "steps", "tasks", "metadata", "artifacts")


class FlowRow(NamedTuple):
    flow_id: str
    user_name: str | None
    ts_epoch: int
    tags: Json
    system_tags: Json


class RunRow(NamedTuple):
    user_name: str | None
    ts_epoch: int
    last_heartbeat_ts: int | None
    tags: Json
    system_tags: Json


class StepRow(NamedTuple):
    step_name: str
    user_name: str | None
    ts_epoch: int
    tags: Json
    system_tags: Json


class TaskRow(NamedTuple):
    step_name: str
    task: Key
    user_name: str | None
    ts_epoch: int
    last_heartbeat_ts: int | None
    tags: Json
    system_tags: Json


class MetadataRow(NamedTuple):
    step_name: str
    task: Key
    field_name: str
    value: str
    type: str
    user_name: str | None
    ts_epoch: int
    tags: Json
    system_tags: Json


class ArtifactRow(NamedTuple):
    step_name: str
    task: Key
    name: str
    location: str
    ds_type: str
    sha: str | None
    type: str | None
    content_type: str | None
    user_name: str | None
    attempt_id: int
    ts_epoch: int
    tags: Json
    system_tags: Json


class RunKey(NamedTuple):
    flow_id: str
    run: Key

    def __str__(self) -> str:
        return f"{self.flow_id}/{self.run}"


@dataclass
class Tally:
    """How many rows of each kind, and a checksum over them that does not depend on their order."""

    rows: Counter[str] = field(default_factory=Counter)
    sums: Counter[str] = field(default_factory=Counter)

    def add(self, kind: str, row: tuple[object, ...]) -> None:
        digest = hashlib.blake2b(msgspec.json.encode(row), digest_size=8).digest()
        self.rows[kind] += 1
        self.sums[kind] = (self.sums[kind] + int.from_bytes(digest, "big")) % 2**64

    def include(self, other: Tally) -> None:
        for kind in KINDS:
            self.rows[kind] += other.rows[kind]
            self.sums[kind] = (self.sums[kind] + other.sums[kind]) % 2**64

    def __str__(self) -> str:
        return ", ".join(f"{self.rows[kind]:,} {kind} ({self.sums[kind]:016x})" for kind in KINDS)


@dataclass(frozen=True)
class Bundle:
    """A run with all that belongs to it."""

    key: RunKey
    run: RunRow
    steps: list[StepRow]
    tasks: list[TaskRow]
    metadata: list[MetadataRow]
    """In the order in which they were recorded."""
    artifacts: list[ArtifactRow]

    def tally(self) -> Tally:
        tally = Tally()
        # A key counts as the text that it is shown as: what is a number in one place may be a name in another.
        of = (self.key.flow_id, str(self.key.run))
        tally.add("runs", (*of, *self.run))
        for step in self.steps:
            tally.add("steps", (*of, *step))
        rows: tuple[tuple[str, list[TaskRow] | list[MetadataRow] | list[ArtifactRow]], ...] = (
            ("tasks", self.tasks),
            ("metadata", self.metadata),
            ("artifacts", self.artifacts),
        )
        for kind, of_kind in rows:
            for row in of_kind:
                tally.add(kind, (*of, row.step_name, str(row.task), *row[2:]))
        return tally


def one_spelling(text: str | None) -> Json:
    """JSON as it comes out of a place, in the spelling in which it is compared."""
    return None if text is None else msgspec.json.encode(msgspec.json.decode(text), order="sorted").decode()
