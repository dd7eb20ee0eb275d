"""A minikube profile of our own, with its kubeconfig in our state and not in the user's home."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cluster import command, kubectl, ownership
from cluster.errors import Refused
from cluster.kubectl import Kubectl
from cluster.providers.kind import NODE_PORTS
from cluster.providers.provider import Health
from cluster.settings import Ports, Settings
from cluster.steps import Say, Step


@dataclass(frozen=True)
class Minikube:
    """minikube with its Docker driver, which is the one that can show ports on 127.0.0.1."""

    settings: Settings

    name = "minikube"
    from_packages = False

    def problems(self) -> list[str]:
        missing = [] if shutil.which("minikube") else ["minikube: not on PATH. Install it."]
        if missing or kubectl.problems():
            return [*missing, *kubectl.problems()]
        return [self._foreign()] if self.health() is Health.FOREIGN else []

    def health(self) -> Health:
        argv = ["minikube", "profile", "list", "--light", "--output=json"]
        profiles = command.try_run(argv, environment=self._environment()) or ""
        if f'"Name":"{self.settings.cluster}"' not in profiles.replace(" ", ""):
            return Health.ABSENT
        if self._is_foreign():
            return Health.FOREIGN
        there = self.settings.kubeconfig.exists()
        return Health.READY if there and self._kubectl().answers() else Health.STOPPED

    def steps(self) -> Sequence[Step]:
        return [kubectl.step(self.settings), Step("cluster", lambda: self.health() is Health.READY, self._start)]

    def kubectl(self) -> Path:
        return kubectl.program(self.settings)

    def processes(self) -> list[int]:
        return []

    def down(self, say: Say) -> None:
        if shutil.which("minikube") is None or (health := self.health()) is Health.ABSENT:
            return
        if health is Health.FOREIGN:
            raise Refused(self._foreign())
        say(f"removing the minikube profile {self.settings.cluster}")
        self._run("delete")

    def _start(self, say: Say) -> None:
        """Starts a profile that stands still with its data, and makes one that is not there."""
        if self.health() is Health.FOREIGN:
            raise Refused(self._foreign())
        say("minikube makes or starts its node")
        ports = [
            f"--ports=127.0.0.1:{getattr(self.settings.ports, name)}:{inside}" for name, inside in NODE_PORTS.items()
        ]
        ownership.claim(self.settings.state, ownership.Record(self.name, self.settings.ports.base))
        self._run("start", "--driver=docker", "--wait=all", "--interactive=false", *ports)

    def _is_foreign(self) -> bool:
        """Whether the profile's node does not show the ports that we gave it: they are the mark that it bears."""
        record = ownership.recorded(self.settings.state)
        printed = command.try_run(["docker", "container", "inspect", self.settings.cluster], environment=os.environ)
        if printed is None:
            return record is None
        ports = Ports(record.port) if record else self.settings.ports
        bound = json.loads(printed)[0]["HostConfig"]["PortBindings"]
        return any(
            str(getattr(ports, name)) not in (each["HostPort"] for each in bound.get(f"{inside}/tcp") or [])
            for name, inside in NODE_PORTS.items()
        )

    def _foreign(self) -> str:
        name = self.settings.cluster
        return ownership.foreign("minikube profile", name, self.settings.state, f"minikube delete --profile {name}")

    def _run(self, *words: str) -> None:
        argv = ["minikube", "--profile", self.settings.cluster, *words]
        command.run(argv, log=self.settings.logs / "minikube.log", environment=self._environment())

    def _environment(self) -> dict[str, str]:
        return os.environ | {"KUBECONFIG": str(self.settings.kubeconfig)}

    def _kubectl(self) -> Kubectl:
        return Kubectl.of(self.settings, self.kubectl())
