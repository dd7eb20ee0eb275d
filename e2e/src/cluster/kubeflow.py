"""Kubeflow Pipelines beside which Tributary is tried: put in only where the cluster has none."""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from cluster import kubeflow_images, manifests
from cluster.errors import Failed, Refused
from cluster.kubectl import Kubectl
from cluster.manifests import Rendered
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

    def steps(self) -> Sequence[Step]:
        """From a cluster to Pipelines that answers. Raises Refused where there is none and none may be put in."""
        if self.is_foreign():
            return []
        if self.settings.context:
            raise Refused(
                f"KUBEFLOW_NAMESPACE: {self.settings.context!r} has no Kubeflow Pipelines (Service {SERVICE}) in "
                f"namespace {self.settings.kubeflow_namespace!r}. Name its namespace, or install it first."
            )
        images = [
            Step("kubeflow-programs", self.answers, self._build_programs),
            Step("kubeflow-images", self.answers, self._load_images),
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
    def _rendered(self) -> Rendered:
        return manifests.render(
            self.settings.kubeflow_namespace,
            from_packages=self.provider.from_packages,
            kubectl=self.provider.kubectl(),
            cache=self.settings.cache,
            log=self.settings.logs / "kubeflow.log",
        )

    def _build_programs(self, say: Say) -> None:
        kubeflow_images.build_programs(self.settings.cache, say)

    def _load_images(self, say: Say) -> None:
        images = kubeflow_images.build(self.settings.cache, say)
        kubeflow_images.load_into(self.settings.cluster, images, self.settings.cache, say)

    def _is_applied(self) -> bool:
        applied = self._ask("get", "configmap", MARK, "--output=jsonpath={.data.manifests}")
        return applied == self._rendered.digest

    def _apply(self, say: Say) -> None:
        """Apply upstream's manifests; the mark gets their hash last."""
        say("applying upstream's manifests")
        self._kubectl.run("apply", "--server-side", "--filename=-", text=self._rendered.cluster_wide, attempts=3)
        self._mark("")
        self._kubectl.run("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")
        for text in (self._rendered.namespaced, self._rendered.node_port):
            self._in_namespace("apply", "--server-side", "--filename=-", text=text, attempts=3)
        self._mark(self._rendered.digest)

    def _mark(self, digest: str) -> None:
        mark = self._in_namespace(
            "create", "configmap", MARK, f"--from-literal=manifests={digest}", "--dry-run=client", "--output=yaml"
        )
        self._in_namespace("apply", "--server-side", "--filename=-", text=mark)

    def _wait(self, say: Say) -> None:
        deadline = time.monotonic() + _READY_WITHIN
        told = ""
        while not self.answers():
            if time.monotonic() > deadline:
                raise Failed(
                    f"Kubeflow Pipelines did not become ready within {_READY_WITHIN} s; {told or 'its API does not answer'}. "
                    f"Look at `kubectl --kubeconfig {self.settings.kubeconfig} get pods "
                    f"--namespace {self.settings.kubeflow_namespace}`."
                )
            missing = ", ".join(self._missing())
            if missing and missing != told:
                told = missing
                say(f"waiting for {missing}")
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
