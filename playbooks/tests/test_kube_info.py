"""Reading shows all but what must not be seen."""

from __future__ import annotations

import json

from playbooks.tests.conftest import Cluster, Run


def test_values_of_secrets_are_never_among_what_is_read(
    cluster: Cluster, namespace: str, run: Run, place: dict[str, str]
) -> None:
    note = '{"data": {"password": "aGlkZGVu"}}'
    cluster.put(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {
                "name": "login",
                "namespace": namespace,
                "annotations": {"kubectl.kubernetes.io/last-applied-configuration": note},
            },
            "data": {"password": "aGlkZGVu"},
        }
    )
    for arguments in ({"name": "login"}, {}):
        result = run("kube_info", **place, kind="Secret", namespace=namespace, **arguments)
        assert result["resources"][0]["data"] == {"password": "(hidden)"}
        assert "aGlkZGVu" not in json.dumps(result)


def test_hidden_fields_are_left_out(cluster: Cluster, namespace: str, run: Run, place: dict[str, str]) -> None:
    metadata = {"name": "settings", "namespace": namespace, "labels": {"app": "a"}}
    cluster.put({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"a": "1"}})
    hidden = {"hidden_fields": ["data", "metadata.labels", "metadata.nothing.here"]}
    (found,) = run("kube_info", **place, kind="ConfigMap", namespace=namespace, name="settings", **hidden)["resources"]
    assert "data" not in found
    assert "labels" not in found["metadata"]


def test_a_selector_finds_those_that_meet_it(cluster: Cluster, namespace: str, run: Run, place: dict[str, str]) -> None:
    for name, app in (("one", "a"), ("two", "b"), ("three", "a")):
        metadata = {"name": name, "namespace": namespace, "labels": {"app": app}}
        cluster.put({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata})
    found = run("kube_info", **place, kind="ConfigMap", namespace=namespace, selector="app=a")["resources"]
    assert {(each["kind"], each["metadata"]["name"]) for each in found} == {
        ("ConfigMap", "one"),
        ("ConfigMap", "three"),
    }


def test_what_is_not_there_is_an_empty_list(cluster: Cluster, run: Run, place: dict[str, str]) -> None:
    assert run("kube_info", **place, kind="ConfigMap", namespace="nowhere", name="settings")["resources"] == []
