"""What removed runs leave in the datastore: blobs that other runs may share, and files of their own.

Metaflow stores an artifact under the hash of its content, once for all runs of a flow that have it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import msgspec

_SHA = re.compile(r"[0-9a-f]{40}")
_ROOT = ":root:"


@dataclass(frozen=True, order=True)
class Blob:
    """An artifact's content in the datastore with this root."""

    root: str
    sha: str


@dataclass(frozen=True)
class RunFiles:
    """The files of a run that is no more: what its tasks logged and said of themselves, and its cards."""

    root: str
    run: str


@dataclass(frozen=True)
class Collected:
    """What became of one batch of blobs."""

    freed: tuple[Blob, ...] = ()
    saved: tuple[Blob, ...] = ()
    """Blobs that another run refers to, perhaps since a little while."""
    busy: bool = False
    """A run of the flow may be writing; nothing was done."""


Remove: TypeAlias = Callable[[Sequence[Blob]], None]


class Removed(msgspec.Struct, frozen=True):
    """How many records were removed."""

    runs: int = 0
    steps: int = 0
    tasks: int = 0
    artifacts: int = 0
    metadata: int = 0

    def __add__(self, other: Removed) -> Removed:
        names = self.__struct_fields__
        return Removed(**{name: getattr(self, name) + getattr(other, name) for name in names})


def blob_of(location: str | None, sha: str | None) -> Blob | None:
    """The blob that an artifact's record speaks of; None for what is no blob that Metaflow stored."""
    if not location or not location.startswith(_ROOT) or not sha or not _SHA.fullmatch(sha):
        return None
    return Blob(location[len(_ROOT) :], sha)
