"""All that stands in the way in a cluster is found at once, and said in sentences."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest
import yaml

from playbooks.tests.conftest import Cluster, Run
from playbooks.tests.fake_kubernetes import FakeKubernetes

HEALTHY = json.dumps({"tag_name": "2.16.1", "multi_user": False}).encode()
KUBEFLOW = {"kubeflow_namespace": "kubeflow", "service_account": "pipeline-runner"}
DEFAULT = {"storageclass.kubernetes.io/is-default-class": "true"}


@pytest.fixture
def kubeflow(fake: FakeKubernetes) -> FakeKubernetes:
    """A cluster with all that is needed."""
    fake.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kubeflow"}})
    for kind, name in (("Service", "ml-pipeline"), ("ServiceAccount", "pipeline-runner")):
        fake.put({"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": "kubeflow"}})
    storage = {"name": "standard", "annotations": DEFAULT}
    fake.put({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": storage})
    fake.services["kubeflow/services/ml-pipeline:8888"] = (200, HEALTHY)
    return fake


def problems(run: Run, cluster: Cluster, **arguments: Any) -> list[str]:
    given = {"kubeconfig": cluster.kubeconfig, "context": cluster.context, "minimum_kubernetes": "1.30", **arguments}
    result = run("cluster_check", **given)
    assert not result["changed"]
    found: list[str] = result["problems"]
    return found


def test_a_good_cluster_has_no_problems(kubeflow: FakeKubernetes, run: Run) -> None:
    rights = [{"namespace": "n", "api_version": "v1", "kind": "Secret"}]
    assert problems(run, kubeflow, **KUBEFLOW, rights=rights, storage_classes=["", "standard"]) == []
    assert kubeflow.writes == []


def test_all_problems_are_found_at_once(fake: FakeKubernetes, run: Run) -> None:
    fake.git_version = "v1.29.3"
    fake.denied = {("create", "secrets"), ("patch", "secrets"), ("delete", "roles")}
    rights = [
        {"namespace": "n", "api_version": "v1", "kind": "Secret"},
        {"namespace": "n", "api_version": "rbac.authorization.k8s.io/v1", "kind": "Role", "verbs": ["delete"]},
        {"namespace": "m", "api_version": "v1", "kind": "ConfigMap"},
        {"namespace": "m", "api_version": "policy/v1", "kind": "PodDisruptionBudget"},
    ]
    assert problems(run, fake, **KUBEFLOW, rights=rights, storage_classes=["", "fast"]) == [
        "Kubernetes v1.29.3: too old. Upgrade the cluster to 1.30 or later.",
        "Context 'fake': this cluster knows no PodDisruptionBudget of policy/v1. Install what brings it.",
        "Namespace 'n': you may not create/patch secrets, delete roles. Have these rights given to you there.",
        "Storage class 'fast': this cluster has none of that name. Name another in the values.",
        "Storage: this cluster has no default StorageClass. Mark one as default, or name one in the values.",
        "Namespace 'kubeflow': has no Service 'ml-pipeline'. "
        "Install Kubeflow Pipelines there, or set tributary_kubeflow_namespace.",
    ]


def test_a_version_with_two_digits_is_newer_than_one_with_one(fake: FakeKubernetes, run: Run) -> None:
    fake.git_version = "v1.9.0+k3s1"
    assert problems(run, fake) == ["Kubernetes v1.9.0+k3s1: too old. Upgrade the cluster to 1.30 or later."]


def test_one_check_that_is_forbidden_does_not_hide_the_others(kubeflow: FakeKubernetes, run: Run) -> None:
    kubeflow.denied = {("*", "storageclasses")}
    del kubeflow.services["kubeflow/services/ml-pipeline:8888"]
    first, second = problems(run, kubeflow, **KUBEFLOW, storage_classes=[""])
    assert "storageclasses is forbidden" in first
    assert second == (
        "Namespace 'kubeflow': Service 'ml-pipeline' cannot be asked "
        '(no endpoints available for service "ml-pipeline:8888"). Wait until its pods are ready.'
    )


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((404, b"no such page"), "404"),
        ((200, b"<html>"), "200"),
        ((200, b'{"status": "ok"}'), "200"),
        ((200, b"[]"), "200"),
    ],
)
def test_a_service_of_that_name_that_is_something_else_is_not_kubeflow_pipelines(
    kubeflow: FakeKubernetes, run: Run, answer: tuple[int, bytes], said: str
) -> None:
    kubeflow.services["kubeflow/services/ml-pipeline:8888"] = answer
    assert problems(run, kubeflow, **KUBEFLOW) == [
        "Namespace 'kubeflow': Service 'ml-pipeline' is not Kubeflow Pipelines, "
        f"/apis/v2beta1/healthz answered {said}. Set tributary_kubeflow_namespace."
    ]


def test_a_right_to_ask_the_service_that_is_missing_is_named(kubeflow: FakeKubernetes, run: Run) -> None:
    status = {"kind": "Status", "message": 'services "ml-pipeline:8888" is forbidden'}
    kubeflow.services["kubeflow/services/ml-pipeline:8888"] = (403, json.dumps(status).encode())
    assert problems(run, kubeflow, **KUBEFLOW) == [
        "Namespace 'kubeflow': Service 'ml-pipeline' cannot be asked (services \"ml-pipeline:8888\" is forbidden). "
        "Have the right to get services/proxy given to you there."
    ]


def test_a_namespace_that_is_not_there_has_to_be_one_that_may_be_made(fake: FakeKubernetes, run: Run) -> None:
    assert problems(run, fake, namespace="n") == []
    fake.denied = {("create", "namespaces")}
    assert problems(run, fake, namespace="n") == [
        "Namespace 'n': is not there, and you may not make it. Have it made by an administrator."
    ]
    fake.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "n"}})
    assert problems(run, fake, namespace="n") == []


def test_the_account_of_the_steps_has_to_be_there(kubeflow: FakeKubernetes, run: Run) -> None:
    assert problems(run, kubeflow, kubeflow_namespace="kubeflow", service_account="default-editor") == [
        "Namespace 'kubeflow': has no ServiceAccount 'default-editor'. "
        "Set tributary_kubeflow_service_account to the one that runs the steps."
    ]


RULES = [
    {"apiGroups": [""], "resources": ["pods", "services"], "verbs": ["get", "watch"]},
    {"apiGroups": ["jobset.x-k8s.io"], "resources": ["jobsets"], "verbs": ["get", "create"]},
]


def test_who_cannot_give_a_right_on_is_told_even_where_the_cluster_knows_no_such_kind(
    kubeflow: FakeKubernetes, run: Run
) -> None:
    rights = [{"namespace": "kubeflow", "api_version": "v1", "kind": "Service", "verbs": ["get"]}]
    assert problems(run, kubeflow, **KUBEFLOW, rights=rights, link_rules=RULES) == []
    lacking = {("get", "services"), ("watch", "pods"), ("create", "jobsets")}
    kubeflow.denied = {*lacking, ("escalate", "roles")}
    assert problems(run, kubeflow, **KUBEFLOW, rights=rights, link_rules=RULES) == [
        "Namespace 'kubeflow': you may not get services, watch pods, create jobsets.jobset.x-k8s.io. "
        "Have these rights given to you there."
    ]
    # Whoever may give on what they have not themselves still needs what is done with the right itself.
    kubeflow.denied = lacking
    assert problems(run, kubeflow, **KUBEFLOW, rights=rights, link_rules=RULES) == [
        "Namespace 'kubeflow': you may not get services. Have these rights given to you there."
    ]


def link(*kinds: str) -> dict[str, Any]:
    """What release b would put beside Kubeflow Pipelines."""
    metadata = {"name": "tributary-steps", "namespace": "kubeflow"}
    versions = {"Role": "rbac.authorization.k8s.io/v1"}
    objects = [{"apiVersion": versions.get(kind, "v1"), "kind": kind, "metadata": metadata} for kind in kinds]
    return {"link_objects": objects, "link_owner": labels_of("b")}


def labels_of(release: str) -> dict[str, str]:
    return {"app.kubernetes.io/managed-by": "tributary", "app.kubernetes.io/instance": release}


def test_a_name_that_another_release_has_taken_beside_kubeflow_is_said_with_its_owner(
    kubeflow: FakeKubernetes, run: Run
) -> None:
    given = link("Role", "ConfigMap", "Secret")
    assert problems(run, kubeflow, **given) == []
    for each in given["link_objects"]:
        kubeflow.put({**each, "metadata": {**each["metadata"], "labels": labels_of("a")}})
    assert problems(run, kubeflow, **given) == [
        "Namespace 'kubeflow': Role, ConfigMap, Secret 'tributary-steps' of release 'a' is there. "
        "Set tributary_steps_name to another name."
    ]
    assert problems(run, kubeflow, **{**given, "link_owner": labels_of("a")}) == []


def test_a_name_that_a_release_of_the_same_name_in_another_namespace_has_taken_is_said_with_both(
    kubeflow: FakeKubernetes, run: Run
) -> None:
    given = {**link("Role", "Secret"), "link_release_namespace": "second"}
    for each in given["link_objects"]:
        kubeflow.put({**each, "metadata": {**each["metadata"], "labels": labels_of("b")}})
    # Made by an earlier version: it does not say where its release is.
    assert problems(run, kubeflow, **given) == []
    annotations = {"tributary/release-namespace": "first"}
    for each in given["link_objects"]:
        kubeflow.put({**each, "metadata": {**each["metadata"], "labels": labels_of("b"), "annotations": annotations}})
    assert problems(run, kubeflow, **{**given, "link_release_namespace": "first"}) == []
    assert problems(run, kubeflow, **given) == [
        "Namespace 'kubeflow': Role, Secret 'tributary-steps' of release 'b' in namespace 'first' is there. "
        "Set tributary_release to another name."
    ]
    assert problems(run, kubeflow, **{**given, "link_owner": labels_of("a")}) == [
        "Namespace 'kubeflow': Role, Secret 'tributary-steps' of release 'b' in namespace 'first' is there. "
        "Set tributary_steps_name to another name."
    ]


def test_a_name_that_somebody_else_has_taken_beside_kubeflow_is_said(kubeflow: FakeKubernetes, run: Run) -> None:
    given = link("Role", "Secret")
    kubeflow.put(given["link_objects"][1])
    kubeflow.denied = {("*", "roles")}
    assert problems(run, kubeflow, **given) == [
        "Namespace 'kubeflow': Secret 'tributary-steps' is there and is not ours. "
        "Set tributary_steps_name to another name."
    ]


def test_a_context_that_does_not_exist_is_named_with_those_that_do(cluster: Cluster, run: Run) -> None:
    assert problems(run, cluster, context="kind-other") == [
        f"{cluster.kubeconfig}: has no context 'kind-other'. It has '{cluster.context}'."
    ]


def test_no_kubeconfig_at_all_is_said(cluster: Cluster, run: Run, tmp_path: Path) -> None:
    assert problems(run, cluster, kubeconfig="") == ["No kubeconfig is named. Set tributary_kubeconfig."]
    missing = tmp_path / "missing"
    assert problems(run, cluster, kubeconfig=str(missing)) == [
        f"{missing}: this kubeconfig cannot be read (No such file or directory). Name another file."
    ]
    (tmp_path / "broken").write_text("{")
    assert problems(run, cluster, kubeconfig=str(tmp_path / "broken")) == [
        f"{tmp_path / 'broken'}: this kubeconfig is not YAML. Name another file."
    ]


def test_an_unreachable_cluster_is_the_one_problem(fake: FakeKubernetes, run: Run, tmp_path: Path) -> None:
    # Held for as long as it is asked, so that nobody else comes to listen there.
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{held.getsockname()[1]}"
        config = yaml.safe_load(Path(fake.kubeconfig).read_text())
        config["clusters"][0]["cluster"]["server"] = address
        (tmp_path / "away").write_text(yaml.safe_dump(config))
        found = problems(run, fake, kubeconfig=str(tmp_path / "away"), **KUBEFLOW)
    assert found == [
        f"Context 'fake': the Kubernetes API at {address} does not answer (Connection refused). "
        "Start the cluster, or name another context."
    ]


def test_a_login_that_the_server_refuses_is_said(fake: FakeKubernetes, run: Run, tmp_path: Path) -> None:
    config = yaml.safe_load(Path(fake.kubeconfig).read_text())
    config["users"][0]["user"]["token"] = "an-old-token"
    (tmp_path / "old").write_text(yaml.safe_dump(config))
    (problem,) = problems(run, fake, kubeconfig=str(tmp_path / "old"))
    assert problem == (
        "Context 'fake': version: the API server does not accept the login of this context (status 401)."
    )
