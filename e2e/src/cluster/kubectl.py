"""kubectl for the one context that is ours to touch. No other code starts kubectl."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cluster import command
from cluster.settings import Settings


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


def find(paths: Sequence[Path]) -> Path | None:
    """The first program that exists."""
    return next((path for path in paths if path.exists()), None)
