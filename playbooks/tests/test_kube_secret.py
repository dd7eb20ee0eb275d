"""Secrets are made once, never changed, and never shown."""

from __future__ import annotations

import base64
import json
from typing import Any

from playbooks.tests.conftest import Cluster, Run
from playbooks.tests.fake_kubernetes import FakeKubernetes

GIVEN = "a-given-value-that-nobody-may-see"
WISHED: dict[str, Any] = {"name": "login", "plain": {"username": "metaflow"}, "random": {"password": 32}}


def held(cluster: Cluster, namespace: str, name: str = "login") -> dict[str, str]:
    found = cluster.look("Secret", namespace, name)
    assert found is not None
    return {key: base64.b64decode(value).decode() for key, value in found["data"].items()}


def test_a_secret_is_made_once_and_then_kept(cluster: Cluster, namespace: str, run: Run, place: dict[str, str]) -> None:
    arguments = {**place, "namespace": namespace, "labels": {"app": "a"}, "secrets": [WISHED]}
    assert run("kube_secret", check=True, **arguments)["changed"]
    assert cluster.look("Secret", namespace, "login") is None
    assert run("kube_secret", **arguments)["made"] == [f"Secret {namespace}/login"]
    made = held(cluster, namespace)
    assert (made["username"], len(made["password"])) == ("metaflow", 32)
    for check in (True, False):
        again = run("kube_secret", check=check, **arguments)
        assert (again["changed"], again["kept"]) == (False, [f"Secret {namespace}/login"])
    assert held(cluster, namespace) == made


def test_no_value_is_in_what_ansible_prints(cluster: Cluster, namespace: str, run: Run, place: dict[str, str]) -> None:
    wished = {**WISHED, "random": {"password": 32, "token": 20}, "given": {"password": GIVEN}}
    arguments = {**place, "namespace": namespace, "secrets": [wished]}
    printed = [json.dumps(run("kube_secret", check=check, **arguments)) for check in (True, False, False)]
    made = held(cluster, namespace)
    assert made["password"] == GIVEN
    for value in (made["password"], made["token"]):
        assert not any(value in text or base64.b64encode(value.encode()).decode() in text for text in printed)


def test_two_secrets_never_get_the_same_value(
    cluster: Cluster, namespace: str, run: Run, place: dict[str, str]
) -> None:
    both = [{**WISHED, "name": "one"}, {**WISHED, "name": "two"}]
    run("kube_secret", **place, namespace=namespace, secrets=both)
    assert held(cluster, namespace, "one")["password"] != held(cluster, namespace, "two")["password"]


def test_a_found_secret_keeps_its_value_and_the_user_is_told(
    cluster: Cluster, namespace: str, run: Run, place: dict[str, str]
) -> None:
    run("kube_secret", **place, namespace=namespace, secrets=[WISHED])
    before = held(cluster, namespace)
    result = run("kube_secret", **place, namespace=namespace, secrets=[{**WISHED, "given": {"password": GIVEN}}])
    assert not result["changed"]
    assert result["told"] == [f"Secret {namespace}/login keeps its password, which is not what was given."]
    assert held(cluster, namespace) == before


def test_all_that_is_wrong_is_said_and_nothing_is_made(
    cluster: Cluster, namespace: str, run: Run, place: dict[str, str]
) -> None:
    cluster.put(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "login", "namespace": namespace},
            "data": {"username": ""},
        }
    )
    external = {"name": "external", "given": {"username": "", "password": ""}}
    fresh = {**WISHED, "name": "fresh"}
    refused = run("kube_secret", **place, namespace=namespace, secrets=[WISHED, external, fresh])
    assert refused["msg"] == (
        f"Secret {namespace}/login: lacks password, username. Add it, or delete the Secret to have it made anew. "
        f"Secret {namespace}/external: is not there, and no value is given for password, username. "
        "Make it, or give them."
    )
    assert cluster.look("Secret", namespace, "fresh") is None


def test_an_external_secret_that_is_there_needs_no_value(
    cluster: Cluster, namespace: str, run: Run, place: dict[str, str]
) -> None:
    run("kube_secret", **place, namespace=namespace, secrets=[{"name": "login", "given": {"password": GIVEN}}])
    result = run("kube_secret", **place, namespace=namespace, secrets=[{"name": "login", "given": {"password": ""}}])
    assert (result["changed"], result["told"]) == (False, [])


def test_a_secret_made_by_somebody_else_in_between_is_kept(
    fake: FakeKubernetes, run: Run, fake_place: dict[str, str]
) -> None:
    theirs = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "login", "namespace": "n"},
        "data": {"a": "Yg=="},
    }
    fake.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "n"}})
    fake.before_create = lambda: fake.put(theirs)
    result = run("kube_secret", **fake_place, namespace="n", secrets=[WISHED])
    assert not result["changed"]
    assert held(fake, "n") == {"a": "b"}
