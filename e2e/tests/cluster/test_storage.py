"""What was recorded outlives the pods that hold it."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from cluster.settings import Settings
from laptop.eventually import eventually

pytestmark = pytest.mark.cluster


@pytest.mark.parametrize("component", ["database", "object-store"])
def test_the_demo_is_still_readable_after_the_pod_died(
    component: str, settings: Settings, kubernetes_api: Any, metaflow: Any, facts: dict[str, str]
) -> None:
    run = metaflow.Flow("DigitsFlow").latest_successful_run
    accuracy, tasks = run.data.report, sum(1 for step in run for _ in step)
    selector = f"app.kubernetes.io/component={component},app.kubernetes.io/instance={settings.release}"
    (pod,) = kubernetes_api.list_namespaced_pod(settings.namespace, label_selector=selector).items
    kubernetes_api.delete_namespaced_pod(pod.metadata.name, settings.namespace, grace_period_seconds=0)

    def not_ready() -> str | None:
        for found in kubernetes_api.list_namespaced_pod(settings.namespace, label_selector=selector).items:
            ready = {each.type: each.status for each in found.status.conditions or []}.get("Ready")
            if found.metadata.uid != pod.metadata.uid and ready == "True":
                return None
        return f"no new pod of {component} is ready"

    def not_served() -> str | None:
        url = f"{facts['METAFLOW_SERVICE_URL'].rstrip('/')}/readyz"
        try:
            status = httpx.get(url, timeout=30).status_code
        except httpx.HTTPError as error:
            return f"{url}: {error}"
        return None if status == 200 else f"{url}: {status}"

    eventually(not_ready, within=300)
    # It answers only when it has found the new database.
    eventually(not_served, within=300)
    again = metaflow.Run(run.pathspec)
    assert again.data.report == accuracy
    assert sum(1 for step in again for _ in step) == tasks
