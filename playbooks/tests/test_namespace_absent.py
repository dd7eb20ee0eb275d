"""A namespace that we made goes only when nothing of anybody else goes with it."""

from __future__ import annotations

from typing import Any

import pytest

from playbooks.tests.conftest import Cluster, Run
from playbooks.tests.fake_kubernetes import FakeKubernetes

MADE = {"app.kubernetes.io/managed-by": "tributary"}
OWNER = {"app.kubernetes.io/name": "tributary", "app.kubernetes.io/instance": "a"}
OF_B = {"app.kubernetes.io/name": "tributary", "app.kubernetes.io/instance": "b"}


POD_SPEC = {"containers": [{"name": "c", "image": "i"}], "restartPolicy": "Never"}
TEMPLATE = {"metadata": {"labels": {"app": "theirs"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
IDLE = {"replicas": 0, "selector": {"matchLabels": {"app": "theirs"}}, "template": TEMPLATE}
NIGHTLY = {"schedule": "0 1 * * *", "jobTemplate": {"spec": {"template": {"spec": POD_SPEC}}}}


def put(
    cluster: Cluster,
    kind: str,
    namespace: str,
    name: str,
    labels: dict[str, str],
    *,
    api_version: str = "v1",
    owned: bool = False,
    **rest: Any,
) -> None:
    metadata: dict[str, Any] = {"name": name, "namespace": namespace, "labels": labels}
    if owned:
        metadata["ownerReferences"] = [{"apiVersion": "v1", "kind": "Pod", "name": "gone", "uid": "gone"}]
    cluster.put({"apiVersion": api_version, "kind": kind, "metadata": metadata, **rest})


def put_record(cluster: Cluster, namespace: str, release: str, revision: int) -> None:
    labels = {"owner": "helm", "name": release}
    put(cluster, "Secret", namespace, f"sh.helm.release.v1.{release}.v{revision}", labels, type="helm.sh/release.v1")


def claim(cluster: Cluster, namespace: str, name: str, labels: dict[str, str]) -> None:
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    put(cluster, "PersistentVolumeClaim", namespace, name, labels, spec=spec)


@pytest.fixture
def made(cluster: Cluster, namespace: str) -> str:
    """A namespace that we made, with what a release leaves in it when it is only looked at."""
    cluster.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": MADE}})
    put(cluster, "Secret", namespace, "a-database", OWNER)
    claim(cluster, namespace, "data-a-database-0", OWNER)
    put_record(cluster, namespace, "a", 1)
    return namespace


@pytest.fixture
def arguments(place: dict[str, str], namespace: str) -> dict[str, Any]:
    return {**place, "name": namespace, "made": MADE, "release": "a", "owner": OWNER}


def is_there(cluster: Cluster, namespace: str) -> bool:
    """Whether nobody has deleted it; a server without controllers keeps a deleted one for ever."""
    found = cluster.look("Namespace", None, namespace)
    return found is not None and "deletionTimestamp" not in found["metadata"]


def test_one_that_holds_only_the_release_goes_and_check_mode_says_so(
    cluster: Cluster, made: str, run: Run, arguments: dict[str, Any]
) -> None:
    looked = run("namespace_absent", check=True, **arguments)
    assert (looked["changed"], looked["kept"], is_there(cluster, made)) == (True, "", True)
    # A real server without controllers never lets it go, which is for another test to say.
    run("namespace_absent", **arguments, timeout=0)
    assert not is_there(cluster, made)


@pytest.mark.parametrize("check", [True, False])
def test_one_with_a_second_release_stays_and_all_that_is_left_is_named(
    cluster: Cluster, made: str, run: Run, arguments: dict[str, Any], check: bool
) -> None:
    put(cluster, "Secret", made, "b-database", OF_B)
    claim(cluster, made, "data-b-database-0", OF_B)
    for revision in (1, 2):
        put_record(cluster, made, "b", revision)
    kept = run("namespace_absent", check=check, **arguments)
    assert (kept["changed"], is_there(cluster, made)) == (False, True)
    assert kept["kept"] == (
        f"Namespace {made}: stays, for not all in it belongs to release 'a': Helm release 'b', "
        f"PersistentVolumeClaim {made}/data-b-database-0, Secret {made}/b-database. "
        "Delete it yourself once nothing in it is needed."
    )


@pytest.mark.parametrize(
    ("kind", "rest"),
    [
        ("Secret", {}),
        ("Pod", {"spec": POD_SPEC}),
        ("ConfigMap", {"data": {"theirs": "1"}}),
        ("ServiceAccount", {}),
        ("Service", {"spec": {"ports": [{"port": 80}]}}),
        ("Deployment", {"api_version": "apps/v1", "spec": IDLE}),
        ("CronJob", {"api_version": "batch/v1", "spec": NIGHTLY}),
    ],
)
def test_what_somebody_put_there_by_hand_is_enough(
    cluster: Cluster, made: str, run: Run, arguments: dict[str, Any], kind: str, rest: dict[str, Any]
) -> None:
    put(cluster, kind, made, "theirs", {}, **rest)
    assert f"{kind} {made}/theirs" in run("namespace_absent", **arguments)["kept"]
    assert is_there(cluster, made)


def test_an_object_of_a_kind_that_somebody_brought_is_enough(
    fake: FakeKubernetes, run: Run, fake_place: dict[str, str]
) -> None:
    fake.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "n", "labels": MADE}})
    put(fake, "Widget", "n", "theirs", {}, api_version="example.org/v1")
    kept = run("namespace_absent", **fake_place, name="n", made=MADE, release="a", owner=OWNER)
    assert (kept["changed"], is_there(fake, "n")) == (False, True)
    assert "belongs to release 'a': Widget n/theirs. Delete" in kept["kept"]


def test_what_kubernetes_puts_there_by_itself_does_not_keep_it(
    cluster: Cluster, made: str, run: Run, arguments: dict[str, Any]
) -> None:
    put(cluster, "ServiceAccount", made, "default", {})
    put(cluster, "ConfigMap", made, "kube-root-ca.crt", {})
    put(cluster, "Event", made, "pulled", {}, involvedObject={"namespace": made})
    put(cluster, "Endpoints", made, "a-database", {})
    put(cluster, "Lease", made, "leader", {}, api_version="coordination.k8s.io/v1")
    slices: dict[str, Any] = {"addressType": "IPv4", "endpoints": []}
    put(cluster, "EndpointSlice", made, "a-database-1", {}, api_version="discovery.k8s.io/v1", **slices)
    put(cluster, "ControllerRevision", made, "a-database-1", {}, api_version="apps/v1", revision=1, data={})
    # What comes and goes with its owner, and what of the release has not gone yet.
    put(cluster, "Pod", made, "b-runs-on", {}, spec=POD_SPEC, owned=True)
    put(cluster, "Pod", made, "a-ends", OWNER, spec=POD_SPEC)
    assert run("namespace_absent", check=True, **arguments)["kept"] == ""
    run("namespace_absent", **arguments, timeout=0)
    assert not is_there(cluster, made)


def test_one_of_which_not_all_can_be_seen_stays_and_what_is_not_seen_is_named(
    fake: FakeKubernetes, run: Run, fake_place: dict[str, str]
) -> None:
    fake.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "n", "labels": MADE}})
    arguments = {**fake_place, "name": "n", "made": MADE, "release": "a", "owner": OWNER}
    fake.denied = {("*", "widgets"), ("*", "pods")}
    fake.down = {"away.example.org"}
    kept = run("namespace_absent", **arguments)
    assert (kept["changed"], is_there(fake, "n")) == (False, True)
    assert kept["kept"] == (
        "Namespace n: stays, for it cannot be seen whether it holds Pod, Widget, anything of away.example.org/v1. "
        "Delete it yourself once nothing in it is needed."
    )
    # What these groups list lives nowhere, and their servers are down often.
    fake.denied, fake.down = set(), {"metrics.k8s.io", "custom.metrics.k8s.io"}
    assert run("namespace_absent", **arguments)["changed"]


def test_one_that_somebody_else_made_stays_without_a_word(
    cluster: Cluster, namespace: str, run: Run, arguments: dict[str, Any]
) -> None:
    kept = run("namespace_absent", **arguments)
    assert (kept["changed"], kept["kept"], is_there(cluster, namespace)) == (False, "", True)


def test_one_that_is_not_there_is_fine(run: Run, arguments: dict[str, Any]) -> None:
    assert not run("namespace_absent", **{**arguments, "name": "nowhere"})["changed"]


def test_who_may_not_list_namespaces_or_delete_one_is_told_who_does_that(
    fake: FakeKubernetes, run: Run, fake_place: dict[str, str]
) -> None:
    fake.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "n", "labels": MADE}})
    fake.denied = {("list", "namespaces"), ("delete", "namespaces")}
    kept = run("namespace_absent", **fake_place, name="n", made=MADE, release="a", owner=OWNER)
    assert kept["kept"] == "Namespace n: stays, for you may not delete it. Have it deleted by an administrator."
    assert not [each for each in fake.requests if each.method == "GET" and each.path.endswith("/namespaces")]
