"""A cluster of the user's: one named context is read, copied to a kubeconfig of ours, and nothing else."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from cluster import command, kubectl, ownership
from cluster.errors import Failed
from cluster.kubectl import Kubectl
from cluster.providers.provider import Health
from cluster.settings import Settings
from cluster.steps import Say, Step


@dataclass(frozen=True)
class ExistingContext:
    """The context that CONTEXT names, in the user's own kubeconfig."""

    settings: Settings

    name = "context"
    from_packages = False

    def problems(self) -> list[str]:
        if found := kubectl.problems():
            return found
        names = _contexts()
        if self.settings.context not in names:
            known = ", ".join(names) or "none at all"
            return [
                f"CONTEXT: {self.settings.context!r} is not in your kubeconfig, which knows {known}. Name one of them."
            ]
        return []

    def health(self) -> Health:
        there = self.settings.kubeconfig.exists()
        return Health.READY if there and self._kubectl().answers() else Health.BROKEN

    def steps(self) -> Sequence[Step]:
        return [
            kubectl.step(self.settings),
            Step("kubeconfig", lambda: False, self._copy_context),
            Step("answers", lambda: self.health() is Health.READY, self._does_not_answer),
        ]

    def kubectl(self) -> Path:
        return kubectl.program(self.settings)

    def processes(self) -> list[int]:
        return []

    def down(self, say: Say) -> None:
        say(
            f"the cluster behind {self.settings.context} is yours and stays as it is; a release that is in it is taken "
            f"out by `{self.settings.make('uninstall')}`"
        )

    def _copy_context(self, say: Say) -> None:
        say(f"copying the context {self.settings.context}")
        argv = [
            str(self.kubectl()),
            "config",
            "view",
            "--minify",
            "--flatten",
            "--raw",
            "--context",
            self.settings.context,
        ]
        # Not through the log: it holds the user's credentials.
        text = command.try_run(argv, environment=os.environ)
        if text is None:
            raise Failed(f"kubectl cannot read the context {self.settings.context!r}. Try `kubectl config view`.")
        ownership.claim(self.settings.state, ownership.Record(self.name, self.settings.ports.base))
        part = self.settings.kubeconfig.with_suffix(".part")
        part.touch(mode=0o600)
        part.write_text(text)
        part.rename(self.settings.kubeconfig)

    def _does_not_answer(self, say: Say) -> None:
        raise Failed(f"The cluster behind {self.settings.context!r} does not answer. Try `kubectl version` with it.")

    def _kubectl(self) -> Kubectl:
        return Kubectl.of(self.settings, self.kubectl())


def _contexts() -> list[str]:
    """The names in the user's kubeconfig, or in the files that KUBECONFIG lists; read without kubectl, which may have
    to be built first."""
    listed = os.environ.get("KUBECONFIG") or str(Path.home() / ".kube" / "config")
    documents = [yaml.safe_load(file.read_text()) for file in map(Path, listed.split(os.pathsep)) if file.is_file()]
    return [context["name"] for document in documents if document for context in document.get("contexts") or []]
