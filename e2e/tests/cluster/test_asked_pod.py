"""What @kubernetes asks for is in the pod that Kubeflow Pipelines makes, read by the Kubernetes API.

The node is told to have what no node of a laptop has (a fish and a graphics processor, as extended resources, and the
label of a compute pool), for as long as the test takes; so it runs in `make test-long`, on a cluster of `make install`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cluster.settings import Settings
from laptop.ends import end_state
from laptop.shell import Laptop

pytestmark = [pytest.mark.cluster, pytest.mark.long, pytest.mark.timeout(3600)]
FLOW = Path(__file__).parent / "flows" / "asked_flow.py"
WORD = "tench"
POOL = "outerbounds.co/compute-pool"
RESOURCES = ("example.com/fish", "nvidia.com/gpu")


@pytest.fixture
def given(settings: Settings, kubernetes_api: Any) -> Iterator[None]:
    """All that the flow names: Secrets, a volume, a service account with the rights of steps, and what the node has."""
    if settings.context:
        pytest.skip("it changes what a node says that it has, which is not done to a cluster of somebody's")
    from kubernetes import client

    namespace, of = settings.kubeflow_namespace, client.V1ObjectMeta
    rights = client.RbacAuthorizationV1Api(kubernetes_api.api_client)
    (node,) = kubernetes_api.list_node().items
    made = {
        kubernetes_api.delete_namespaced_secret: ("asked-words", "asked-registry"),
        kubernetes_api.delete_namespaced_service_account: ("asked-steps",),
        kubernetes_api.delete_namespaced_persistent_volume_claim: ("asked-folder",),
        rights.delete_namespaced_role_binding: ("asked-steps", "asked-steps-ours"),
    }
    _node_has(kubernetes_api, node.metadata.name, "1", "pond")
    kubernetes_api.create_namespaced_secret(
        namespace, client.V1Secret(metadata=of(name="asked-words"), string_data={"WORD": WORD})
    )
    kubernetes_api.create_namespaced_secret(
        namespace,
        client.V1Secret(
            metadata=of(name="asked-registry"),
            type="kubernetes.io/dockerconfigjson",
            string_data={".dockerconfigjson": '{"auths": {}}'},
        ),
    )
    kubernetes_api.create_namespaced_service_account(
        namespace, client.V1ServiceAccount(metadata=of(name="asked-steps"))
    )
    asks = client.V1VolumeResourceRequirements(requests={"storage": "16Mi"})
    kubernetes_api.create_namespaced_persistent_volume_claim(
        namespace,
        client.V1PersistentVolumeClaim(
            metadata=of(name="asked-folder"),
            spec=client.V1PersistentVolumeClaimSpec(access_modes=["ReadWriteOnce"], resources=asks),
        ),
    )
    for name, role in (("asked-steps", "pipeline-runner"), ("asked-steps-ours", "tributary-steps")):
        rights.create_namespaced_role_binding(
            namespace,
            client.V1RoleBinding(
                metadata=of(name=name),
                role_ref=client.V1RoleRef(api_group="rbac.authorization.k8s.io", kind="Role", name=role),
                subjects=[client.RbacV1Subject(kind="ServiceAccount", name="asked-steps", namespace=namespace)],
            ),
        )
    yield
    for delete, names in made.items():
        for name in names:
            delete(name, namespace)
    _node_has(kubernetes_api, node.metadata.name, None, None)


def _node_has(api: Any, node: str, count: str | None, pool: str | None) -> None:
    """Say what a node has of the two resources, and which pool it is in; None takes it back."""
    api.patch_node_status(node, {"status": {"capacity": dict.fromkeys(RESOURCES, count)}})
    api.patch_node(node, {"metadata": {"labels": {POOL: pool}}})


@pytest.mark.usefixtures("given")
def test_a_pod_is_what_the_flow_asks_for(
    laptop: Laptop, settings: Settings, kubernetes_api: Any, kubeflow: Any, metaflow: Any
) -> None:
    laptop.deploy(FLOW)
    run_id = laptop.trigger(FLOW)
    assert end_state(kubeflow, run_id) == "SUCCEEDED"
    run = metaflow.Run(f"AskedFlow/{run_id}")
    assert run["start"].task["in_memory"].data == ["/scratch", "/dev/shm"]
    assert run.data.kept == WORD
    assert not run.data.has_word, "a Secret of one step is known to another"

    pods = _pods(kubernetes_api, settings.kubeflow_namespace, run_id)
    start, end = (pods[run[name].task.metadata_dict["kubernetes-pod-name"]] for name in ("start", "end"))
    try:
        _first_is_as_asked(start)
        _second_is_as_asked(end)
    finally:
        # A pod that holds the volume keeps it from being deleted, and one that holds a Secret of a step's own is none
        # that other tests expect.
        for pod in (start, end):
            kubernetes_api.delete_namespaced_pod(pod.metadata.name, settings.kubeflow_namespace)


def _first_is_as_asked(pod: Any) -> None:
    main = _main(pod)
    assert pod.metadata.labels["team"] == "blue"
    assert pod.metadata.annotations["note"] == "asked for"
    assert [(each.key, each.operator, each.effect) for each in pod.spec.tolerations][:1] == [
        ("pond", "Exists", "NoSchedule")
    ]
    assert pod.spec.node_selector == {"kubernetes.io/os": "linux"}
    assert pod.spec.service_account_name == "asked-steps"
    assert [each.name for each in pod.spec.image_pull_secrets] == ["asked-registry"]
    assert main.image_pull_policy == "IfNotPresent"
    asked = {"cpu": "250m", "memory": "400M", "example.com/fish": "1"}
    assert main.resources.requests == asked
    assert main.resources.limits == asked
    volumes = {volume.name: volume for volume in pod.spec.volumes}
    mounts = {mount.mount_path: volumes[mount.name] for mount in main.volume_mounts}
    assert (mounts["/scratch"].empty_dir.medium, mounts["/scratch"].empty_dir.size_limit) == ("Memory", "16Mi")
    assert (mounts["/dev/shm"].empty_dir.medium, mounts["/dev/shm"].empty_dir.size_limit) == ("Memory", "32Mi")
    assert mounts["/kept"].persistent_volume_claim.claim_name == "asked-folder"
    assert "asked-words" in {volume.secret.secret_name for volume in mounts.values() if volume.secret}


def _second_is_as_asked(pod: Any) -> None:
    main = _main(pod)
    assert pod.spec.service_account_name == "asked-steps"
    assert pod.spec.node_selector == {POOL: "pond"}
    assert main.resources.limits["nvidia.com/gpu"] == "1"
    assert "asked-words" not in {volume.secret.secret_name for volume in pod.spec.volumes if volume.secret}


def _main(pod: Any) -> Any:
    (main,) = (container for container in pod.spec.containers if container.name == "main")
    return main


def _pods(api: Any, namespace: str, run_id: str) -> dict[str, Any]:
    """The pods of a run by name."""
    label = f"pipeline/runid={run_id.removeprefix('kfp-')}"
    return {pod.metadata.name: pod for pod in api.list_namespaced_pod(namespace, label_selector=label).items}
