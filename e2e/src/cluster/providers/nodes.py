"""kind's nodes as containers of Docker or podman: looking at them, starting them again, taking them away.

kind itself makes nodes. It neither starts them again nor removes one whose processes were killed from outside, so
that is done here, and always for the containers of one cluster alone.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import zlib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from cluster import command
from cluster.errors import Failed
from cluster.settings import Settings
from image_builder import podman_env

_LABEL = "io.x-k8s.kind.cluster"


class Nodes(Protocol):
    """The one node of a kind cluster, and the engine it runs on."""

    @property
    def engine(self) -> str:
        """docker or podman."""
        ...

    @property
    def environment(self) -> Mapping[str, str]:
        """The environment for the engine and for kind."""
        ...

    def exists(self) -> bool:
        """Whether a container of this cluster is there, in whatever state. Raises Failed when the engine is silent."""
        ...

    def mounts(self) -> set[str]:
        """The paths in the node where something of this machine is mounted."""
        ...

    def tasks(self) -> set[str]:
        """What runs in the node under containerd, by id; empty while it does not answer."""
        ...

    def processes(self) -> list[int]:
        """The living processes that hold the node: the engine's monitor, where it has one, and the node's first."""
        ...

    def start_again(self) -> None:
        """Start the node's container anew with the data it has. Raises CommandFailed."""
        ...

    def remove(self) -> None:
        """Remove container, volumes and network. Nothing to remove is fine. Raises CommandFailed."""
        ...


class _Container(ABC):
    """What both engines are asked in the same words about the node's container."""

    engine: str

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._name = f"{settings.cluster}-control-plane"

    @property
    @abstractmethod
    def environment(self) -> Mapping[str, str]: ...

    def exists(self) -> bool:
        return self._container() is not None

    def mounts(self) -> set[str]:
        container = self._container()
        return {mount["Destination"] for mount in container["Mounts"]} if container else set()

    def tasks(self) -> set[str]:
        argv = [self.engine, "exec", self._name, "ctr", "--namespace", "k8s.io", "tasks", "list", "--quiet"]
        return set((command.try_run(argv, environment=self.environment, timeout=20) or "").split())

    def _container(self) -> dict[str, Any] | None:
        """The node's container, only if it carries the cluster's own label.

        Whoever takes a silent engine for one without the container makes another, and forgets what this one holds: so
        Failed is raised unless the engine says that there is none.
        """
        printed = command.try_run([self.engine, "container", "inspect", self._name], environment=self.environment)
        if printed is None:
            argv = [self.engine, "container", "ls", "--all", "--format", "{{.Names}}"]
            listed = command.try_run(argv, environment=self.environment)
            if listed is None or self._name in listed.split():
                raise Failed(f"{self.engine} does not say whether there is a container {self._name!r}. Try again.")
            return None
        container: dict[str, Any] = json.loads(printed)[0]
        return container if container["Config"]["Labels"].get(_LABEL) == self.settings.cluster else None


class DockerNodes(_Container):
    """On Docker. Its daemon looks after the processes, and its network `kind` is shared, so it stays."""

    engine = "docker"

    @cached_property
    def environment(self) -> Mapping[str, str]:
        return os.environ | {"KIND_EXPERIMENTAL_PROVIDER": "docker"}

    def processes(self) -> list[int]:
        container = self._container()
        pid = container["State"]["Pid"] if container else 0
        return [pid] if pid else []

    def start_again(self) -> None:
        argv = ["docker", "restart", "--time", "10", self._name]
        command.run(argv, log=self.settings.logs / "docker.log", environment=self.environment)

    def remove(self) -> None:
        if self.exists():
            argv = ["docker", "rm", "--force", "--volumes", self._name]
            command.run(argv, log=self.settings.logs / "docker.log", environment=self.environment)


@dataclass(frozen=True)
class _State:
    """What podman wrote down about the container, and what the kernel says of it."""

    id: str
    status: str
    first: int
    monitor: int

    @property
    def living(self) -> list[int]:
        """The monitor names the container on its command line, the first process by its cgroup: a pid may be reused."""
        monitor = [self.monitor] if self.id in _read(f"/proc/{self.monitor}/cmdline") else []
        first = [self.first] if self.id in _read(f"/proc/{self.first}/cgroup") else []
        return monitor + first


class PodmanNodes(_Container):
    """On podman, which has no daemon: a monitor (conmon) beside each container writes down how it ended.

    Whoever kills the monitor too leaves podman believing that the container runs. `_settle` sets that right.
    """

    engine = "podman"

    @property
    def network(self) -> str:
        """A network of the cluster's own, so that `remove` takes it along and clusters do not meet."""
        key = f"{self.settings.cache}\0{self.settings.cluster}"
        return f"tributary-{zlib.crc32(key.encode()):08x}"

    @cached_property
    def environment(self) -> Mapping[str, str]:
        return podman_env.environment(self.settings.cache) | {
            "KIND_EXPERIMENTAL_PROVIDER": "podman",
            "KIND_EXPERIMENTAL_PODMAN_NETWORK": self.network,
        }

    def processes(self) -> list[int]:
        state = self._state()
        return state.living if state else []

    def start_again(self) -> None:
        self._settle()
        self._podman("start", self._name)

    def remove(self) -> None:
        if not self._has_storage():
            return
        container = self._container()
        if container is not None:
            self._settle()
            volumes = [mount["Name"] for mount in container["Mounts"] if mount.get("Type") == "volume"]
            self._podman("rm", "--force", "--volumes", self._name)
            for volume in volumes:
                if self._asks("volume", "inspect", volume):
                    self._podman("volume", "rm", "--force", volume)
        if self._asks("network", "inspect", self.network):
            self._podman("network", "rm", "--force", self.network)

    def _settle(self) -> None:
        """End what is left of the container's processes, and write down its end where no monitor did."""
        state = self._state()
        if state is None or state.status not in ("running", "stopping"):
            return
        for pid in state.living:
            os.kill(pid, signal.SIGKILL)
        exits = podman_env.run_folder(self.settings.cache) / "libpod" / "exits"
        exits.mkdir(parents=True, exist_ok=True)
        (exits / state.id).write_text(str(128 + signal.SIGKILL))
        self._podman("container", "cleanup", self._name)

    def _container(self) -> dict[str, Any] | None:
        """Nothing before our podman has anything: asked, it would lay out its storage, and a look changes nothing."""
        return super()._container() if self._has_storage() and shutil.which("podman") else None

    def _has_storage(self) -> bool:
        return (self.settings.cache / "containers").exists()

    def _state(self) -> _State | None:
        container = self._container()
        if container is None:
            return None
        state = container["State"]
        return _State(container["Id"], state["Status"], state["Pid"], state.get("ConmonPid", 0))

    def _podman(self, *words: str) -> None:
        log = self.settings.logs / "podman.log"
        command.run(["podman", *words], log=log, environment=self.environment, timeout=120)

    def _asks(self, *words: str) -> bool:
        return command.try_run(["podman", *words], environment=self.environment) is not None


def _read(path: str) -> str:
    try:
        return Path(path).read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""
