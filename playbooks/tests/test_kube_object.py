"""Objects are made, changed, kept and removed; check mode says the same and stores nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest

from playbooks.tests.conftest import Cluster, Run
from playbooks.tests.fake_kubernetes import FakeKubernetes

OWNER = {"app.kubernetes.io/managed-by": "tributary"}


def config_map(namespace: str, name: str = "settings", **data: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": namespace},
        "data": data,
    }


def data(cluster: Cluster, namespace: str, name: str = "settings") -> dict[str, str] | None:
    found = cluster.look("ConfigMap", namespace, name)
    return None if found is None else found["data"]


def test_create_again_modify_again_delete_again_each_under_check_mode_first(
    cluster: Cluster, namespace: str, run: Run, place: dict[str, str]
) -> None:
    steps: list[tuple[dict[str, Any], dict[str, str] | None]] = [
        ({"definitions": [config_map(namespace, a="1", b="2")]}, {"a": "1", "b": "2"}),
        ({"definitions": [config_map(namespace, a="3")]}, {"a": "3"}),
        ({"definitions": [config_map(namespace)], "state": "absent"}, None),
    ]
    before: dict[str, str] | None = None
    for arguments, after in steps:
        looked = run("kube_object", check=True, **place, **arguments)
        assert (looked["changed"], data(cluster, namespace)) == (True, before)
        done = run("kube_object", **place, **arguments)
        assert (done["changed"], data(cluster, namespace)) == (True, after)
        assert [each["after"] for each in looked["diff"]] == [each["after"] for each in done["diff"]]
        for check in (True, False):
            again = run("kube_object", check=check, **place, **arguments)
            assert (again["changed"], again["diff"]) == (False, [])
        before = after


def test_a_field_that_somebody_else_set_stays(
    cluster: Cluster, namespace: str, run: Run, place: dict[str, str]
) -> None:
    run("kube_object", **place, definitions=[config_map(namespace, a="1")])
    found = cluster.look("ConfigMap", namespace, "settings")
    assert found is not None
    cluster.put({**config_map(namespace, a="1", theirs="2")})
    assert run("kube_object", **place, definitions=[config_map(namespace, a="5")])["changed"]
    assert data(cluster, namespace) == {"a": "5", "theirs": "2"}


def test_check_mode_in_a_namespace_that_is_not_there_yet_says_what_would_be_made(
    cluster: Cluster, run: Run, place: dict[str, str]
) -> None:
    wished = config_map("not-there-yet", a="1")
    assert run("kube_object", check=True, **place, definitions=[wished])["changed"]
    refused = run("kube_object", **place, definitions=[wished])
    assert refused["failed"]
    assert 'namespaces "not-there-yet" not found' in refused["msg"]


def test_create_only_leaves_an_object_as_it_is(
    cluster: Cluster, namespace: str, run: Run, place: dict[str, str]
) -> None:
    arguments = {**place, "create_only": True}
    assert run("kube_object", **arguments, definitions=[config_map(namespace, a="1")])["changed"]
    assert not run("kube_object", **arguments, definitions=[config_map(namespace, a="2")])["changed"]
    assert data(cluster, namespace) == {"a": "1"}


@pytest.mark.parametrize("state", ["present", "absent"])
def test_what_lacks_our_labels_is_left_alone(
    cluster: Cluster, namespace: str, run: Run, place: dict[str, str], state: str
) -> None:
    cluster.put(config_map(namespace, theirs="1"))
    refused = run("kube_object", **place, owner=OWNER, state=state, definitions=[config_map(namespace, a="1")])
    assert "exists and is not ours, it lacks app.kubernetes.io/managed-by=tributary" in refused["msg"]
    assert data(cluster, namespace) == {"theirs": "1"}


@pytest.mark.parametrize("check", [True, False])
def test_what_is_taken_away_may_leave_what_lacks_our_labels(
    cluster: Cluster, namespace: str, run: Run, place: dict[str, str], check: bool
) -> None:
    cluster.put(config_map(namespace, "theirs", theirs="1"))
    run("kube_object", **place, owner=OWNER, definitions=[config_map(namespace, "ours")])
    arguments = {**place, "owner": OWNER, "state": "absent", "leave_others": True}
    both = [config_map(namespace, "theirs"), config_map(namespace, "ours")]
    done = run("kube_object", check=check, **arguments, definitions=both)
    assert done["changed"]
    told = f"ConfigMap {namespace}/theirs: is not ours, it lacks app.kubernetes.io/managed-by=tributary. It stays."
    assert told in json.dumps(done["warnings"])
    assert f"ConfigMap {namespace}/ours" not in json.dumps(done["warnings"])
    assert data(cluster, namespace, "theirs") == {"theirs": "1"}
    assert (cluster.look("ConfigMap", namespace, "ours") is None) is not check


@pytest.mark.parametrize("state", ["present", "absent"])
def test_what_a_release_of_the_same_name_in_another_namespace_has_is_left_alone(
    cluster: Cluster, namespace: str, run: Run, place: dict[str, str], state: str
) -> None:
    first = {**place, "owner": OWNER, "release_namespace": "first"}
    run("kube_object", **first, definitions=[config_map(namespace, a="1")])
    second = {**first, "release_namespace": "second", "state": state, "definitions": [config_map(namespace, a="2")]}
    refused = run("kube_object", **second)
    said = f"ConfigMap {namespace}/settings: exists and is not ours, it is of a release in namespace 'first'. "
    assert refused["msg"].startswith(said)
    assert data(cluster, namespace) == {"a": "1"}
    if state == "absent":
        left = run("kube_object", **second, leave_others=True)
        assert not left["changed"]
        told = f"ConfigMap {namespace}/settings: is not ours, it is of a release in namespace 'first'. It stays."
        assert told in json.dumps(left["warnings"])
        assert data(cluster, namespace) == {"a": "1"}


def test_what_does_not_say_where_its_release_is_is_ours_and_then_says_so(
    cluster: Cluster, namespace: str, run: Run, place: dict[str, str]
) -> None:
    before = {**place, "owner": OWNER, "definitions": [config_map(namespace, a="1")]}
    run("kube_object", **before)
    now = {**before, "release_namespace": "first"}
    looked = run("kube_object", check=True, **now)
    assert [run("kube_object", **now)["changed"] for _ in range(2)] == [looked["changed"], False] == [True, False]
    found = cluster.look("ConfigMap", namespace, "settings")
    assert found is not None
    assert found["metadata"]["annotations"] == {"tributary/release-namespace": "first"}
    assert run("kube_object", **now, state="absent")["changed"]


def test_our_labels_are_put_on(cluster: Cluster, namespace: str, run: Run, place: dict[str, str]) -> None:
    run("kube_object", **place, owner=OWNER, definitions=[config_map(namespace, a="1")])
    found = cluster.look("ConfigMap", namespace, "settings")
    assert found is not None
    assert found["metadata"]["labels"] == OWNER


def test_a_kind_that_the_cluster_does_not_know_is_named(cluster: Cluster, run: Run, place: dict[str, str]) -> None:
    unknown = {"apiVersion": "kubeflow.org/v1", "kind": "Profile", "metadata": {"name": "a"}}
    refused = run("kube_object", **place, definitions=[unknown])
    assert refused["msg"].startswith(f"Context '{cluster.context}': this cluster knows no Profile of kubeflow.org/v1.")


def test_an_object_that_does_not_go_away_is_named_with_what_it_waits_for(
    fake: FakeKubernetes, run: Run, fake_place: dict[str, str]
) -> None:
    fake.put(
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "held", "finalizers": ["example.org/hold"]}}
    )
    held = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "held"}}
    refused = run("kube_object", **fake_place, state="absent", definitions=[held], timeout=0)
    assert refused["msg"] == "Namespace held: still there after 0 s, it waits for example.org/hold. Look at its events."


def test_a_dry_run_is_all_that_check_mode_sends(fake: FakeKubernetes, run: Run, fake_place: dict[str, str]) -> None:
    fake.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "n"}})
    run("kube_object", check=True, **fake_place, definitions=[config_map("n", a="1")])
    assert fake.writes == []
    run("kube_object", **fake_place, definitions=[config_map("n", a="1")])
    assert [request.method for request in fake.writes] == ["PATCH"]


def test_a_busy_server_is_asked_again(fake: FakeKubernetes, run: Run, fake_place: dict[str, str]) -> None:
    fake.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "n"}})
    fake.busy = [503, 429]
    assert run("kube_object", **fake_place, definitions=[config_map("n", a="1")])["changed"]


def test_what_the_user_may_not_do_is_said_in_the_servers_words(
    fake: FakeKubernetes, run: Run, fake_place: dict[str, str]
) -> None:
    fake.denied = {("*", "configmaps")}
    refused = run("kube_object", **fake_place, definitions=[config_map("n", a="1")])
    assert "configmaps is forbidden" in refused["msg"]
    assert "status 403" in refused["msg"]
