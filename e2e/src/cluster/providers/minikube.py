"""A minikube profile of our own, with its kubeconfig in our state and not in the user's home."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cluster import command
from cluster.kubectl import Kubectl
from cluster.providers.kind import NODE_PORTS
from cluster.providers.provider import Health
from cluster.settings import Settings
from cluster.steps import Say, Step


@dataclass(frozen=True)
class Minikube:
    """minikube with its Docker driver, which is the one that can show ports on 127.0.0.1."""

    settings: Settings

    name = "minikube"
    from_packages = False

    def problems(self) -> list[str]:
        return [f"{name}: not on PATH. Install it." for name in ("minikube", "kubectl") if shutil.which(name) is None]

    def health(self) -> Health:
        argv = ["minikube", "profile", "list", "--light", "--output=json"]
        profiles = command.try_run(argv, environment=self._environment()) or ""
        if f'"Name":"{self.settings.cluster}"' not in profiles.replace(" ", ""):
            return Health.ABSENT
        return Health.READY if self._kubectl().answers() else Health.STOPPED

    def steps(self) -> Sequence[Step]:
        return [Step("cluster", lambda: self.health() is Health.READY, self._start)]

    def kubectl(self) -> Path:
        return Path(shutil.which("kubectl") or "kubectl")

    def processes(self) -> list[int]:
        return []

    def down(self, say: Say) -> None:
        if shutil.which("minikube") is None or self.health() is Health.ABSENT:
            return
        say(f"removing the minikube profile {self.settings.cluster}")
        self._run("delete")

    def _start(self, say: Say) -> None:
        """Starts a profile that stands still with its data, and makes one that is not there."""
        say("minikube makes or starts its node")
        ports = [
            f"--ports=127.0.0.1:{getattr(self.settings.ports, name)}:{inside}" for name, inside in NODE_PORTS.items()
        ]
        self.settings.state.mkdir(parents=True, exist_ok=True)
        self._run("start", "--driver=docker", "--wait=all", "--interactive=false", *ports)

    def _run(self, *words: str) -> None:
        argv = ["minikube", "--profile", self.settings.cluster, *words]
        command.run(argv, log=self.settings.logs / "minikube.log", environment=self._environment())

    def _environment(self) -> dict[str, str]:
        return os.environ | {"KUBECONFIG": str(self.settings.kubeconfig)}

    def _kubectl(self) -> Kubectl:
        return Kubectl.of(self.settings, self.kubectl())
