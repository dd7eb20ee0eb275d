"""A copy holds the named keys of its source and follows it."""

from __future__ import annotations

import json
from typing import Any

from playbooks.tests.conftest import Cluster, Run

OWNER = {"app.kubernetes.io/managed-by": "tributary"}
FIRST, SECOND = "Zmlyc3Qtc2VjcmV0", "c2Vjb25kLXNlY3JldA=="


def source(namespace: str, secret: str = FIRST) -> dict[str, Any]:
    data = {"access-key": "YWNjZXNz", "secret-key": secret, "root": "cm9vdA=="}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "key", "namespace": namespace},
        "type": "Opaque",
        "data": data,
    }


def arguments(namespace: str, place: dict[str, str]) -> dict[str, Any]:
    keys = {"AWS_ACCESS_KEY_ID": "access-key", "AWS_SECRET_ACCESS_KEY": "secret-key"}
    names = {"source_namespace": namespace, "namespace": namespace, "name": "copy"}
    return {**place, **names, "sources": [{"name": "key", "keys": keys}], "owner": OWNER}


def copied(cluster: Cluster, namespace: str) -> Any:
    found = cluster.look("Secret", namespace, "copy")
    return found and found["data"]


def test_the_copy_follows_its_source_each_under_check_mode_first(
    cluster: Cluster, namespace: str, run: Run, place: dict[str, str]
) -> None:
    before = None
    for secret in (FIRST, SECOND):
        cluster.put(source(namespace, secret))
        looked = run("kube_secret_copy", check=True, **arguments(namespace, place))
        assert (looked["changed"], copied(cluster, namespace)) == (True, before)
        done = run("kube_secret_copy", **arguments(namespace, place))
        before = {"AWS_ACCESS_KEY_ID": "YWNjZXNz", "AWS_SECRET_ACCESS_KEY": secret}
        assert (done["changed"], copied(cluster, namespace)) == (True, before)
        assert not run("kube_secret_copy", **arguments(namespace, place))["changed"]
        for printed in (json.dumps(looked), json.dumps(done)):
            assert not any(hidden in printed for hidden in (FIRST, SECOND, "first-secret", "second-secret"))
    assert "(hidden, another than before)" in done["diff"][0]["after"]


def test_several_sources_make_one_copy(cluster: Cluster, namespace: str, run: Run, place: dict[str, str]) -> None:
    given = arguments(namespace, place)
    given["sources"].append({"name": "token", "keys": {"METAFLOW_SERVICE_AUTH_KEY": "token"}})
    cluster.put(source(namespace))
    token = {**source(namespace), "data": {"token": "dG9rZW4="}}
    assert run("kube_secret_copy", check=True, **given)["changed"]
    assert f"Secret {namespace}/token: is not there" in run("kube_secret_copy", **given)["msg"]
    assert copied(cluster, namespace) is None
    cluster.put({**token, "metadata": {**token["metadata"], "name": "token"}})
    assert run("kube_secret_copy", **given)["changed"]
    assert copied(cluster, namespace) == {
        "AWS_ACCESS_KEY_ID": "YWNjZXNz",
        "AWS_SECRET_ACCESS_KEY": FIRST,
        "METAFLOW_SERVICE_AUTH_KEY": "dG9rZW4=",
    }
    # Without the token the copy forgets it.
    assert run("kube_secret_copy", **arguments(namespace, place))["changed"]
    assert "METAFLOW_SERVICE_AUTH_KEY" not in copied(cluster, namespace)


def test_a_copy_made_by_somebody_else_is_left_alone(
    cluster: Cluster, namespace: str, run: Run, place: dict[str, str]
) -> None:
    cluster.put(source(namespace))
    theirs = source(namespace)
    theirs["metadata"]["name"] = "copy"
    cluster.put(theirs)
    assert "is not ours" in run("kube_secret_copy", **arguments(namespace, place))["msg"]
    assert copied(cluster, namespace) == theirs["data"]


def test_a_copy_of_a_release_of_the_same_name_in_another_namespace_is_left_alone(
    cluster: Cluster, namespace: str, run: Run, place: dict[str, str]
) -> None:
    cluster.put(source(namespace))
    given = arguments(namespace, place)
    assert run("kube_secret_copy", **given)["changed"]
    # One that an earlier version made says so from now on.
    assert [run("kube_secret_copy", **given, release_namespace="first")["changed"] for _ in range(2)] == [True, False]
    refused = run("kube_secret_copy", **given, release_namespace="second")
    assert "is not ours, it is of a release in namespace 'first'" in refused["msg"]


def test_without_a_source_check_mode_says_what_would_be_made_and_apply_refuses(
    cluster: Cluster, namespace: str, run: Run, place: dict[str, str]
) -> None:
    assert run("kube_secret_copy", check=True, **arguments(namespace, place))["changed"]
    refused = run("kube_secret_copy", **arguments(namespace, place))
    assert refused["msg"] == f"Secret {namespace}/key: is not there to copy from. Make it with the role credentials."


def test_a_source_without_the_key_is_refused(cluster: Cluster, namespace: str, run: Run, place: dict[str, str]) -> None:
    cluster.put({**source(namespace), "data": {"access-key": "YWNjZXNz"}})
    refused = run("kube_secret_copy", **arguments(namespace, place))
    assert refused["msg"] == f"Secret {namespace}/key: lacks secret-key. Add it, or name another Secret."
