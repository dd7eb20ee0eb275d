"""Which cluster is ours: what is written down before one is made, and the mark that it bears itself.

A name is not enough. On Docker, and in minikube, somebody else's cluster may have the same name, and one that stands
still would be taken for ours, half made.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Record:
    """What was written down when a cluster was made: by which provider, and the base of its ports.

    For a cluster of the user's only the ports say something: those of its port-forwards.
    """

    provider: str
    port: int


def claim(state: Path, record: Record) -> None:
    """Write down that a cluster is about to be made."""
    state.mkdir(parents=True, exist_ok=True)
    part = _file(state).with_suffix(".part")
    part.write_text(json.dumps({"provider": record.provider, "port": record.port}))
    part.rename(_file(state))


def recorded(state: Path) -> Record | None:
    """What `claim` wrote, or None."""
    if not _file(state).exists():
        return None
    found: Mapping[str, object] = json.loads(_file(state).read_text())
    return Record(str(found["provider"]), int(str(found["port"])))


def made_by(state: Path) -> str | None:
    """The provider that made the cluster with this state, or None where none was made.

    Earlier versions of this program wrote no record, but kind's configuration, and for podman the node image's name.
    """
    if record := recorded(state):
        return record.provider
    if is_older(state):
        return "kind-podman" if (state / "node-image.json").exists() else "kind-docker"
    return None


def is_older(state: Path) -> bool:
    """Whether an earlier version of this program made a kind cluster with this state: such a one bears no mark."""
    return recorded(state) is None and (state / "kind.yaml").exists()


def mount_point(state: Path) -> str:
    """A path in the node where nothing but a mark is mounted: an engine tells it of a container that stands still too.

    Container labels would be plainer, but kind gives its nodes none but its own. Whoever has the same state folder,
    and so the same CACHE and CLUSTER, gets the same mark: it outlives the loss of the folder.
    """
    return f"/kind/made-by-tributary-{zlib.crc32(str(state).encode()):08x}"


def foreign(kind: str, name: str, state: Path, remove: str) -> str:
    """The sentence with which a cluster of somebody else is left alone."""
    return (
        f"CLUSTER: there is a {kind} {name!r} that was not made from {state}, so it is left alone. "
        f"Set CLUSTER to another name, or remove it yourself: `{remove}`."
    )


def _file(state: Path) -> Path:
    return state / "owner.json"
