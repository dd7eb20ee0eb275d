"""The interface of all providers, and the words for a cluster's health."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from cluster.steps import Say, Step


class Health(enum.Enum):
    """What is there of a cluster."""

    ABSENT = "there is none"
    READY = "it answers"
    STOPPED = "it is there, but stands still"
    BROKEN = "it is there, but does not answer"
    FOREIGN = "there is one of this name that is not ours"


class Provider(Protocol):
    """One way to a cluster. Nothing here touches a cluster, container or context of another name."""

    @property
    def name(self) -> str:
        """The word for it in PROVIDER, or `context`."""
        ...

    @property
    def from_packages(self) -> bool:
        """Whether there is no registry, so that every image is built from packages."""
        ...

    def problems(self) -> list[str]:
        """What hinders a start, one sentence each; asked before anything is done."""
        ...

    def health(self) -> Health:
        """Ask the cluster itself; takes a few seconds at most."""
        ...

    def steps(self) -> Sequence[Step]:
        """From nothing to a cluster that answers, with its kubeconfig in place."""
        ...

    def kubectl(self) -> Path:
        """The kubectl to use."""
        ...

    def processes(self) -> list[int]:
        """The processes on this machine that hold the cluster, for drills that kill them."""
        ...

    def down(self, say: Say) -> None:
        """Take away all that `steps` made, whatever state it is in. Raises Refused for one that is not ours."""
        ...
