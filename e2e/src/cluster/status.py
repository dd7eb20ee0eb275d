"""What is there: cluster, Kubeflow Pipelines, release, addresses. Looks only."""

from __future__ import annotations

from collections.abc import Iterator

from cluster import forward
from cluster.doctor import is_free
from cluster.kubectl import Kubectl
from cluster.kubeflow import Kubeflow
from cluster.providers.provider import Health, Provider
from cluster.settings import Settings


def lines(settings: Settings, provider: Provider) -> Iterator[str]:
    """One line a fact."""
    health = provider.health()
    yield f"cluster              {settings.kube_context} by {provider.name}: {health.value}"
    if health is not Health.READY:
        yield f"state                {settings.state}"
        return
    kubeflow = Kubeflow(settings, provider)
    yield f"kubeflow pipelines   namespace {settings.kubeflow_namespace}: {kubeflow.describe()}"
    yield f"release              {_release(settings, Kubectl.of(settings, provider.kubectl()))}"
    yield f"kubeconfig           {settings.kubeconfig}"
    for each in forward.wanted(settings):
        open_ = "closed" if is_free(each.port) else "open"
        yield f"{each.name:<20} http://127.0.0.1:{each.port} ({open_})"
    if names := forward.running(settings):
        yield f"port-forwards        {', '.join(names)}"


def _release(settings: Settings, kubectl: Kubectl) -> str:
    path = "--output=jsonpath={.data.chart-version}"
    version = kubectl.ask("get", "configmap", f"{settings.release}-facts", f"--namespace={settings.namespace}", path)
    where = f"{settings.release} in namespace {settings.namespace}"
    return f"{where}: {f'version {version}' if version else 'not installed'}"
