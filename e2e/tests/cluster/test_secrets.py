"""Who may know what: steps get the limited key and nothing else."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from botocore.exceptions import ClientError

from cluster.settings import Settings

pytestmark = pytest.mark.cluster


def test_the_link_put_exactly_these_objects_beside_kubeflow(settings: Settings, kubernetes_api: Any) -> None:
    from kubernetes import client

    namespace, ours = settings.kubeflow_namespace, "app.kubernetes.io/managed-by=tributary"
    rights = client.RbacAuthorizationV1Api(kubernetes_api.api_client)
    found = {
        (kind, each.metadata.name)
        for kind, listing in {
            "Secret": kubernetes_api.list_namespaced_secret(namespace, label_selector=ours),
            "ConfigMap": kubernetes_api.list_namespaced_config_map(namespace, label_selector=ours),
            "ServiceAccount": kubernetes_api.list_namespaced_service_account(namespace, label_selector=ours),
            "Role": rights.list_namespaced_role(namespace, label_selector=ours),
            "RoleBinding": rights.list_namespaced_role_binding(namespace, label_selector=ours),
        }.items()
        for each in listing.items
    }
    assert found == {(kind, f"{settings.release}-steps") for kind in ("Secret", "ConfigMap", "Role", "RoleBinding")}


def test_steps_hold_the_limited_key_and_not_the_roots(settings: Settings, kubernetes_api: Any) -> None:
    steps = _values(kubernetes_api, f"{settings.release}-steps", settings.kubeflow_namespace)
    root = _values(kubernetes_api, f"{settings.release}-object-store-root", settings.namespace)
    limited = _values(kubernetes_api, f"{settings.release}-object-store-metaflow", settings.namespace)
    assert steps == limited
    assert not steps & root


def test_the_limited_key_opens_the_one_bucket_only(store: Any, facts: dict[str, str]) -> None:
    bucket = facts["METAFLOW_DATASTORE_SYSROOT_S3"].removeprefix("s3://").split("/")[0]
    store.list_objects_v2(Bucket=bucket, MaxKeys=1)
    for call, named in (("create_bucket", "another"), ("list_objects_v2", "mlpipeline"), ("delete_bucket", bucket)):
        with pytest.raises(ClientError, match="AccessDenied"):
            getattr(store, call)(Bucket=named)


def test_the_container_of_a_step_is_given_no_other_secret(settings: Settings, kubernetes_api: Any) -> None:
    """By volume, variable or envFrom. Beside it Argo's own sidecar holds Kubeflow's key, to keep the logs."""
    label = "pipelines.kubeflow.org/v2_component=true"
    pods = kubernetes_api.list_namespaced_pod(settings.kubeflow_namespace, label_selector=label).items
    steps = [pod for pod in pods if "-system-container-impl-" in pod.metadata.name]
    link = f"{settings.release}-steps"
    ours = [pod for pod in steps if any(link in str(each) for each in pod.spec.containers)]
    assert ours, "no step pod is left to look at"
    for pod in ours:
        (main,) = (container for container in pod.spec.containers if container.name == "main")
        assert _secrets(main, pod) == {link}, pod.metadata.name


def _secrets(container: Any, pod: Any) -> set[str]:
    volumes = {volume.name: volume.secret.secret_name for volume in pod.spec.volumes if volume.secret}
    named = {volumes[mount.name] for mount in container.volume_mounts or [] if mount.name in volumes}
    named |= {
        variable.value_from.secret_key_ref.name
        for variable in container.env or []
        if variable.value_from and variable.value_from.secret_key_ref
    }
    return named | {source.secret_ref.name for source in container.env_from or [] if source.secret_ref}


def _values(api: Any, name: str, namespace: str) -> set[str]:
    data = api.read_namespaced_secret(name, namespace).data
    return {base64.b64decode(value).decode() for value in data.values()}
