"""Kubeflow Pipelines beside which Tributary is tried: put in only where the cluster has none."""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import yaml

from cluster import kubeflow_images, manifests
from cluster.errors import Failed, Refused
from cluster.kubectl import Kubectl
from cluster.providers.provider import Provider
from cluster.settings import Settings
from cluster.steps import Say, Step

SERVICE = "ml-pipeline"
# Written before anything else: a Pipelines without it is not ours, and is left alone.
MARK = "tributary-kubeflow-pipelines"
_READY_WITHIN = 480


@dataclass
class Kubeflow:
    """Kubeflow Pipelines in one namespace of one cluster."""

    settings: Settings
    provider: Provider

    def is_foreign(self) -> bool:
        """Whether somebody else's Pipelines is there."""
        return self._has("service", SERVICE) and not self._has("configmap", MARK)

    @property
    def left_alone(self) -> str:
        """The sentence for one that is there and is not touched."""
        return f"Kubeflow Pipelines is in namespace {self.settings.kubeflow_namespace} already; it is left as it is."

    def steps(self) -> Sequence[Step]:
        """From a cluster to Pipelines that answers. Raises Refused where there is none and none may be put in."""
        if self.is_foreign():
            return []
        if self.settings.context:
            if self._has("service", SERVICE):
                return []
            raise Refused(
                f"KUBEFLOW_NAMESPACE: {self.settings.context!r} has no Kubeflow Pipelines (Service {SERVICE}) in "
                f"namespace {self.settings.kubeflow_namespace!r}. Name its namespace, or install it first."
            )
        images = [
            Step("kubeflow-programs", lambda: self._contents() is not None, self._build),
            Step("kubeflow-images", self._is_loaded, self._load_images),
        ]
        return [
            *(images if self.provider.from_packages else []),
            Step("kubeflow-manifests", self._is_applied, self._apply),
            Step("kubeflow-answers", self.answers, self._wait),
        ]

    def answers(self) -> bool:
        """Whether its API answers on this machine's port, and its controllers are there."""
        address = f"http://127.0.0.1:{self.settings.ports.kubeflow_pipelines}/apis/v2beta1/healthz"
        try:
            with urllib.request.urlopen(address, timeout=5) as response:
                healthy: bool = response.status == 200
        except (OSError, urllib.error.URLError):
            return False
        return healthy and not self._missing()

    @cached_property
    def _kubectl(self) -> Kubectl:
        return Kubectl.of(self.settings, self.provider.kubectl())

    @cached_property
    def _recipe(self) -> str:
        return manifests.recipe(self.settings.kubeflow_namespace, from_packages=self.provider.from_packages)

    def describe(self) -> str:
        """One sentence for the status."""
        if not self._has("service", SERVICE):
            return "there is none"
        whose = "not ours, left as it is" if self.is_foreign() else "put in by us"
        return f"{whose}; {'its API answers' if self.is_foreign() or self.answers() else 'it does not answer'}"

    def _contents(self) -> str | None:
        return kubeflow_images.contents(self.settings.cache)

    def _build(self, say: Say) -> None:
        kubeflow_images.build_programs(self.settings.cache, say)

    def _is_loaded(self) -> bool:
        contents = self._contents()
        return contents is not None and self._marked("images") == contents

    def _load_images(self, say: Say) -> None:
        """Load the images. They keep upstream's names when they change, so pods that run older ones are replaced."""
        images = kubeflow_images.build(self.settings.cache, say)
        loaded = kubeflow_images.load_into(self.settings.cluster, images, self.settings.cache, say)
        if loaded and self._has("service", SERVICE):
            self._in_namespace("rollout", "restart", "deployment")
        self._mark(images=self._contents() or "")

    def _is_applied(self) -> bool:
        return self._marked("manifests") == self._recipe

    def _apply(self, say: Say) -> None:
        """Apply upstream's manifests; the mark gets their hash last."""
        say("rendering and applying upstream's manifests")
        rendered = manifests.render(
            self.settings.kubeflow_namespace,
            from_packages=self.provider.from_packages,
            kubectl=self.provider.kubectl(),
            cache=self.settings.cache,
            log=self.settings.logs / "kubeflow.log",
        )
        self._mark(manifests="")
        self._kubectl.run("apply", "--server-side", "--filename=-", text=rendered.cluster_wide, attempts=3)
        self._kubectl.run("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")
        for text in (rendered.namespaced, rendered.node_port):
            self._in_namespace("apply", "--server-side", "--filename=-", text=text, attempts=3)
        self._mark(manifests=self._recipe)

    def _mark(self, **data: str) -> None:
        """Write down that this Pipelines is ours, and of what it was made."""
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.settings.kubeflow_namespace}}
        self._kubectl.run("apply", "--server-side", "--filename=-", text=yaml.safe_dump(namespace), attempts=3)
        for key, value in data.items():
            mark = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": MARK}, "data": {key: value}}
            words = ("apply", "--server-side", "--force-conflicts", f"--field-manager=tributary-{key}", "--filename=-")
            self._in_namespace(*words, text=yaml.safe_dump(mark), attempts=3)

    def _marked(self, key: str) -> str | None:
        return self._ask("get", "configmap", MARK, f"--output=jsonpath={{.data.{key}}}")

    def _wait(self, say: Say) -> None:
        deadline = time.monotonic() + _READY_WITHIN
        told = ""
        while not self.answers():
            if time.monotonic() > deadline:
                look = f"kubectl --kubeconfig {self.settings.kubeconfig} -n {self.settings.kubeflow_namespace} get pods"
                raise Failed(f"Still {told} after {_READY_WITHIN} s. Look at `{look}`.")
            missing = f"waiting for {', '.join(self._missing()) or 'its API'}"
            if missing != told:
                told = missing
                say(told)
            time.sleep(1)

    def _missing(self) -> list[str]:
        """The deployments that are not ready."""
        path = "{range .items[*]}{.metadata.name}={.status.readyReplicas}/{.spec.replicas} {end}"
        printed = self._ask("get", "deployments", f"--output=jsonpath={path}")
        if not printed:
            return ["all deployments"]
        pairs = [word.split("=") for word in printed.split()]
        return [name for name, ready in pairs if ready.split("/")[0] != ready.split("/")[1]]

    def _has(self, kind: str, name: str) -> bool:
        return self._ask("get", kind, name, "--output=name") is not None

    def _ask(self, *words: str) -> str | None:
        return self._kubectl.ask("--namespace", self.settings.kubeflow_namespace, *words)

    def _in_namespace(self, *words: str, text: str | None = None, attempts: int = 1) -> str:
        return self._kubectl.run("--namespace", self.settings.kubeflow_namespace, *words, text=text, attempts=attempts)
