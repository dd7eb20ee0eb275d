"""The helm program: the one way releases are read, rendered, put in and taken out.

Always with a named kubeconfig, context and namespace; helm's own environment variables are kept from it.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from playbooks.module_utils.kube_login import Refusal
else:
    from ansible.module_utils.kube_login import Refusal


class HelmRefusal(Refusal):
    """What helm said when it failed. `problems` are its separate complaints, each a sentence."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__(" ".join(problems))
        self.problems = tuple(problems)


@dataclass(frozen=True)
class Release:
    """What a release is made of: status, revision, values, rendered objects and hooks."""

    status: str
    revision: int
    values: Mapping[str, Any]
    manifest: str
    hooks: tuple[str, ...]

    @property
    def objects(self) -> list[dict[str, Any]]:
        """The rendered objects, hooks included."""
        return [each for text in (self.manifest, *self.hooks) for each in yaml.safe_load_all(text) if each]

    @property
    def pending(self) -> bool:
        """Whether an operation on it has begun and not ended."""
        return self.status.startswith("pending-") or self.status == "uninstalling"


@dataclass(frozen=True)
class Helm:
    """One helm binary, pointed at one namespace of one context. Without a context it can only render."""

    binary: str
    namespace: str
    kubeconfig: str = ""
    context: str = ""

    def run(self, *arguments: str) -> str:
        """What helm writes to stdout. Raises HelmRefusal with what it says when it fails."""
        place = ["--namespace", self.namespace]
        if self.context:
            place += ["--kubeconfig", self.kubeconfig, "--kube-context", self.context]
        environment = {
            key: value for key, value in os.environ.items() if not key.startswith("HELM_") and key != "KUBECONFIG"
        }
        try:
            done = subprocess.run(
                [self.binary, *arguments, *place], env=environment, capture_output=True, text=True, check=False
            )
        except OSError as error:
            raise HelmRefusal(
                [f"helm: {self.binary!r} cannot be started ({error.strerror}). Install Helm, or set tributary_helm."]
            ) from error
        if done.returncode:
            raise HelmRefusal(complaints(done.stderr))
        return done.stdout

    def version(self) -> str:
        """The version, such as v3.20.2. Raises HelmRefusal when the program is not helm."""
        said = self.run("version", "--template", "{{.Version}}").strip()
        if not re.match(r"v\d+\.\d+", said):
            raise HelmRefusal(
                [f"helm: {self.binary!r} does not give a version. Set tributary_helm to the path of Helm."]
            )
        return said

    def status(self, name: str) -> Release | None:
        """The release as it is deployed, or None."""
        try:
            return _release(self.run("status", name, "--output", "json"))
        except HelmRefusal as refusal:
            if "release: not found" in str(refusal):
                return None
            raise

    def preview(self, name: str, chart: str, values_files: Sequence[str]) -> Release:
        """The release as an upgrade would make it, rendered with what this cluster can do. Changes nothing."""
        return _release(self.run(*_upgrade(name, chart, values_files), "--dry-run=server"))

    def upgrade(self, name: str, chart: str, values_files: Sequence[str], *, timeout: int) -> None:
        """Install or upgrade, hooks included; does not wait for pods."""
        self.run(*_upgrade(name, chart, values_files), "--timeout", f"{timeout}s")

    def uninstall(self, name: str, *, timeout: int) -> None:
        """Take the release out and wait until its objects are gone."""
        self.run("uninstall", name, "--wait", "--timeout", f"{timeout}s")

    def default_values(self, chart: str) -> dict[str, Any]:
        """The chart's own values."""
        return yaml.safe_load(self.run("show", "values", chart)) or {}

    def template(self, name: str, chart: str, values_files: Sequence[str], kubernetes: str) -> list[dict[str, Any]]:
        """The rendered objects for a version of Kubernetes, without asking a cluster."""
        text = self.run("template", name, chart, *_values(values_files), "--kube-version", kubernetes)
        return [each for each in yaml.safe_load_all(text) if each]


def complaints(stderr: str) -> list[str]:
    """Helm's separate complaints, each as one sentence in its own words."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    # Each line with a bullet is one breach of the values schema; the lines above them only say that there are some.
    breaches = [line[2:] for line in lines if line.startswith("- at ")]
    if breaches:
        return [f"Values {breach.rstrip('.')}. Correct the values file." for breach in breaches]
    first = next((index for index, line in enumerate(lines) if line.startswith("Error: ")), 0)
    said = " ".join(lines[first:]).removeprefix("Error: ").rstrip(".")
    # What a chart says by fail comes with the place in its templates, which tells its user nothing.
    said = re.sub(r"^execution error at \([^)]*\): ", "", said)
    return [f"helm: {said or 'failed without a word'}."]


def written(values: Sequence[str | Mapping[str, Any]], folder: Path) -> list[str]:
    """Values files for helm, in the same order: paths as they are, mappings written to the folder."""
    files = []
    for index, each in enumerate(values):
        if isinstance(each, Mapping):
            file = folder / f"values-{index}.yaml"
            file.write_text(yaml.safe_dump(dict(each)), encoding="utf-8")
            files.append(str(file))
        else:
            files.append(os.path.expanduser(each))
    return files


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Two sets of values as helm lays one over the other: mappings are merged, all else is replaced, null removes."""
    result = dict(below)
    for key, value in above.items():
        under = result.get(key)
        if isinstance(value, Mapping) and isinstance(under, Mapping):
            result[key] = merged(under, value)
        elif value is None:
            result.pop(key, None)
        else:
            result[key] = value
    return result


def _upgrade(name: str, chart: str, values_files: Sequence[str]) -> list[str]:
    # Without --reset-values, helm takes the values of before when it is given none.
    return ["upgrade", "--install", name, chart, *_values(values_files), "--reset-values", "--output", "json"]


def _values(values_files: Sequence[str]) -> list[str]:
    return [argument for path in values_files for argument in ("--values", path)]


def _release(text: str) -> Release:
    told = json.loads(text)
    return Release(
        status=told["info"]["status"],
        revision=told["version"],
        values=told.get("config") or {},
        manifest=told.get("manifest", ""),
        hooks=tuple(hook["manifest"] for hook in told.get("hooks") or []),
    )
