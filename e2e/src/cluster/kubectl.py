"""kubectl for the one context that is ours to touch. No other code starts kubectl."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cluster import command, programs
from cluster.settings import Settings
from cluster.steps import Say, Step
from image_builder import golang


@dataclass(frozen=True)
class Kubectl:
    """Every call names kubeconfig and context: what the user's shell or home says does not matter."""

    program: Path
    kubeconfig: Path
    context: str
    log: Path

    @classmethod
    def of(cls, settings: Settings, program: Path) -> Kubectl:
        return cls(program, settings.kubeconfig, settings.kube_context, settings.logs / "kubectl.log")

    def argv(self, *words: str) -> list[str]:
        return [str(self.program), "--kubeconfig", str(self.kubeconfig), "--context", self.context, *words]

    def run(self, *words: str, text: str | None = None, attempts: int = 1, timeout: float = 300) -> str:
        """Give what kubectl prints. Raises CommandFailed."""
        return command.run(self.argv(*words), log=self.log, text=text, attempts=attempts, timeout=timeout)

    def ask(self, *words: str, timeout: float = 20) -> str | None:
        """Give what kubectl prints, or None where it says no."""
        return command.try_run(self.argv(*words), timeout=timeout)

    def get(self, *words: str) -> list[dict[str, Any]]:
        """Give the objects that `kubectl get` finds. Raises CommandFailed."""
        found: dict[str, Any] = json.loads(self.run("get", *words, "--output=json", attempts=3))
        items: list[dict[str, Any]] = found["items"] if found["kind"] == "List" or "items" in found else [found]
        return items

    def answers(self, timeout: float = 10) -> bool:
        """Whether the API server says that it is ready."""
        return self.kubeconfig.exists() and self.ask("get", "--raw=/readyz", timeout=timeout) == "ok"


def program(settings: Settings) -> Path:
    """The kubectl on PATH, else the one that `step` builds into the cache. Raises GoBuildError without both."""
    return _on_path() or golang.path_of(programs.kubectl(), cache=settings.cache)


def step(settings: Settings) -> Step:
    """Builds kubectl where this machine has none."""

    def build(say: Say) -> None:
        golang.build([programs.kubectl()], cache=settings.cache, say=say)

    return Step("programs", lambda: program(settings).exists(), build)


def problems() -> list[str]:
    """What hinders both."""
    if _on_path() or shutil.which("go"):
        return []
    return ["kubectl: not on PATH, and there is no Go to build it. Install kubectl, or Go 1.25 or newer."]


def _on_path() -> Path | None:
    found = shutil.which("kubectl")
    return Path(found) if found else None
