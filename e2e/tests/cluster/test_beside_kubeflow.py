"""Beside a Kubeflow that somebody else brought up: nothing of theirs is touched."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cluster.kubectl import Kubectl
from cluster.providers import provider_of
from cluster.settings import Settings

pytestmark = [pytest.mark.cluster, pytest.mark.long, pytest.mark.timeout(3000)]
ROOT = Path(__file__).parents[3]
# What changes by itself in a living namespace, and what the demo's own run leaves there.
LIVING = {
    "Event",
    "Lease",
    "EndpointSlice",
    "Endpoints",
    "Pod",
    "ReplicaSet",
    "Workflow",
    "WorkflowTaskResult",
    "PodMetrics",
}
VOLATILE = ("resourceVersion", "managedFields", "generation", "uid", "creationTimestamp")


@pytest.fixture(scope="module")
def foreign(settings: Settings) -> Iterator[Settings]:
    """A second cluster with Kubeflow Pipelines, brought up apart; taken away at the end."""
    own = {"CLUSTER": "foreign", "CONTEXT": ""}
    try:
        _make("kubeflow", own)
        found = Settings.from_environ({**_bare(), **own})
        assert found.kube_context == "kind-foreign"
        yield found
    finally:
        _make("down", own)


@pytest.fixture(scope="module")
def words(foreign: Settings) -> dict[str, str]:
    """The variables of make for that cluster, as one that somebody gave the context of."""
    return {
        "CLUSTER": "foreign",
        "CONTEXT": foreign.kube_context,
        "KUBECONFIG": str(foreign.kubeconfig),
        "PROFILE": "kind",
    }


def test_a_dry_run_asks_the_cluster_and_leaves_nothing(foreign: Settings, words: dict[str, str]) -> None:
    beside = Settings.from_environ(_bare() | words)
    before = _objects(foreign)
    said = _make("install", words | {"DRY_RUN": "1"})
    assert "Kubeflow Pipelines is in namespace kubeflow already; it is left as it is." in said
    # The diff of what the playbooks would make, and their last line: nothing failed, something would change.
    assert "+kind: RoleBinding" in said
    assert re.search(r"changed=[1-9]\d* .*failed=0", said)
    assert _objects(foreign) == before
    assert beside.namespace not in _namespaces(foreign)
    assert not beside.state.exists()


def test_only_the_link_is_new_in_kubeflows_namespace(foreign: Settings, words: dict[str, str]) -> None:
    before = _objects(foreign)
    try:
        _make("install", words)
        after = _objects(foreign)
    finally:
        _make("down", words)
    changed = {key for key in before.keys() & after.keys() if before[key] != after[key]}
    assert after.keys() - before.keys() == {
        (kind, "tributary-steps") for kind in ("Secret", "ConfigMap", "Role", "RoleBinding")
    }
    assert before.keys() - after.keys() == set()
    assert changed == set()


def _objects(settings: Settings) -> dict[tuple[str, str], str]:
    """Every object of Kubeflow's namespace by kind and name, with a hash of all that its owner says."""
    kubectl = Kubectl.of(settings, provider_of(settings).kubectl())
    here = ("--namespace", settings.kubeflow_namespace)
    kinds = kubectl.run(*here, "api-resources", "--namespaced", "--verbs=list", "--output=name").split()
    printed = kubectl.run(*here, "get", ",".join(kinds), "--output=json", "--ignore-not-found")
    listed = json.loads(printed)["items"]
    return {(each["kind"], each["metadata"]["name"]): _said(each) for each in listed if each["kind"] not in LIVING}


def _namespaces(settings: Settings) -> set[str]:
    kubectl = Kubectl.of(settings, provider_of(settings).kubectl())
    return {each.removeprefix("namespace/") for each in kubectl.run("get", "namespaces", "--output=name").split()}


def _said(each: dict[str, Any]) -> str:
    metadata = {name: value for name, value in each["metadata"].items() if name not in VOLATILE}
    said = {name: value for name, value in each.items() if name != "status"} | {"metadata": metadata}
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def _bare() -> dict[str, str]:
    """This environment without what a make above would hand on: its own words win over ours otherwise."""
    handed_on = ("CLUSTER", "CONTEXT", "PORT", "PROFILE", "MAKEFLAGS", "MAKEOVERRIDES", "MFLAGS", "MAKELEVEL")
    return {name: value for name, value in os.environ.items() if name not in handed_on}


def _make(target: str, words: dict[str, str]) -> str:
    argv = ["make", target, *(f"{name}={value}" for name, value in words.items())]
    done = subprocess.run(
        argv, cwd=ROOT, env=_bare() | words, capture_output=True, text=True, timeout=1800, check=False
    )
    assert done.returncode == 0, f"{argv}: {done.returncode}\n{done.stdout[-5000:]}\n{done.stderr[-3000:]}"
    return done.stdout
