"""The chart as a function: values in, Kubernetes objects or a refusal out."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

CHART = Path(__file__).parents[1] / "tributary"
RELEASE, NAMESPACE = "probe", "platform"
# Helm built from its module knows no Kubernetes version of its own.
KUBERNETES = "1.34.4"
IMAGES = ("database", "objectStore", "metadataService", "ui", "setup", "taskBase", "taskDemo")
IMAGE_VALUES = {key: {"image": {"repository": f"registry.test/{key.lower()}", "tag": "0123456789ab"}} for key in IMAGES}

EXTERNAL = {
    "database": {"mode": "external", "host": "db.example.org", "secret": "our-database"},
    "objectStore": {"mode": "external", "endpoint": "https://s3.example.org", "secret": "our-key"},
}
AUTH = {
    "tokens": True,
    "adminSecret": "our-admin-token",
    "tokenRate": 50,
    "trustedHeader": "kubeflow-userid",
    "trustedProxies": ["10.0.0.0/8"],
}
RETENTION = {"schedule": "0 3 * * *", "policies": [{"flows": ["Train*"], "max_age_days": 90, "keep_tags": ["keep"]}]}
# Every way of using the chart that renders another set of objects.
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "kind": ("kind", {}),
    "production": ("production", {}),
    "external": ("production", EXTERNAL),
    "secrets-given": ("kind", {"credentials": {"create": False}}),
    "tokens": ("production", {"metadataService": {"auth": AUTH}}),
    "monitored": ("production", {"metadataService": {"serviceMonitor": {"create": True, "labels": ["release=ours"]}}}),
    "retention": ("production", {"metadataService": {"retention": RETENTION}}),
    "node-ports": ("production", {"exposure": {"type": "NodePort", "cidrs": ["192.0.2.0/24"], "namespaces": []}}),
    "without-ui": ("production", {"ui": {"enabled": False, "image": {"repository": "", "tag": ""}}}),
    "closed": ("production", {"exposure": {"namespaces": []}, "imagePullSecrets": ["registry"]}),
}


@dataclass
class Chart:
    """Renders with one helm binary and keeps what it rendered."""

    helm: Path
    rendered: dict[str, str] = field(default_factory=dict)
    parsed: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def text(
        self,
        values: Mapping[str, Any] | None = None,
        *,
        profile: str = "kind",
        release: str = RELEASE,
        flags: Sequence[str] = (),
        chart: Path = CHART,
    ) -> str:
        """What `helm template` prints; image values are given unless `values` overrides them."""
        files = [chart / "profiles" / f"{profile}.yaml", "-"]
        command = [
            *(str(self.helm), "template", release, str(chart), "--namespace", NAMESPACE, "--kube-version", KUBERNETES),
            *(word for file in files for word in ("--values", str(file))),
            *flags,
        ]
        given = yaml.safe_dump(merged(IMAGE_VALUES, values or {}))
        key = "\n".join([*command, given])
        if key not in self.rendered:
            done = subprocess.run(command, input=given, capture_output=True, text=True, timeout=60, check=False)
            if done.returncode:
                raise Refusal(done.stderr)
            self.rendered[key] = done.stdout
        return self.rendered[key]

    def render(
        self, values: Mapping[str, Any] | None = None, *, profile: str = "kind", release: str = RELEASE
    ) -> list[dict[str, Any]]:
        """The objects of a release."""
        text = self.text(values, profile=profile, release=release)
        if text not in self.parsed:
            self.parsed[text] = [each for each in yaml.load_all(text, yaml.CSafeLoader) if each]
        return self.parsed[text]

    def refusal(self, values: Mapping[str, Any], *, profile: str = "kind", release: str = RELEASE) -> str:
        """What helm says when it will not render."""
        with pytest.raises(Refusal) as refused:
            self.text(values, profile=profile, release=release)
        return str(refused.value)

    def upgrade(self, kubeconfig: Path, namespace: str, values: Mapping[str, Any]) -> None:
        """Install or upgrade a release of the production profile on a real API server."""
        command = [
            *(str(self.helm), "upgrade", "--install", RELEASE, str(CHART), "--kubeconfig", str(kubeconfig)),
            *("--namespace", namespace, "--values", str(CHART / "profiles" / "production.yaml"), "--values", "-"),
        ]
        given = yaml.safe_dump(merged(IMAGE_VALUES, values))
        done = subprocess.run(command, input=given, capture_output=True, text=True, timeout=120, check=False)
        if done.returncode:
            raise Refusal(done.stderr)

    def pods(self, objects: Sequence[dict[str, Any]]) -> dict[str, dict[str, Any]]:
        """The pod templates among the objects, by the name of their owner."""
        specs = [
            (each["metadata"]["name"], each.get("spec", {}).get("jobTemplate", each).get("spec", {}))
            for each in objects
        ]
        return {name: spec["template"] for name, spec in specs if "template" in spec}


class Refusal(Exception):
    """Helm would not render; the text is its reason."""


def merged(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Both, `over` first where they meet, as helm merges values."""
    return {
        key: merged(under[key], over[key])
        if isinstance(under.get(key), Mapping) and isinstance(over.get(key), Mapping)
        else over.get(key, under.get(key))
        for key in {**under, **over}
    }


@pytest.fixture(scope="session")
def program() -> Callable[[str], Path]:
    """Finds a program by its name: on PATH, else the newest that the project built into its cache."""
    caches = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    cache = Path(os.environ.get("CACHE") or Path(caches) / "tributary")

    def find(name: str) -> Path:
        built = sorted(cache.glob(f"bin/{name}-*/{name}"), key=lambda path: path.stat().st_mtime)
        if found := shutil.which(name) or next(reversed(built), None):
            return Path(found)
        pytest.fail(f"{name}: is neither on PATH nor in {cache}/bin. `make programs` builds it.")

    return find


@pytest.fixture(scope="session")
def chart(program: Callable[[str], Path]) -> Chart:
    """The chart, with the helm of this machine."""
    return Chart(program("helm"))


@pytest.fixture(params=VARIANTS)
def objects(chart: Chart, request: pytest.FixtureRequest) -> list[dict[str, Any]]:
    """All objects, once for each way of using the chart."""
    profile, values = VARIANTS[request.param]
    return chart.render(values, profile=profile)


@pytest.fixture
def pods(chart: Chart, objects: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The pod templates of `objects`, by the name of their owner."""
    return chart.pods(objects)
