"""Names, paths and ports follow from a few variables, and a wrong one is refused."""

from __future__ import annotations

import pytest

from cluster.errors import Refused
from cluster.settings import Settings


def test_everything_has_a_default() -> None:
    settings = Settings.from_environ({"HOME": "/h/someone"})
    assert settings.kube_context == "kind-tributary"
    assert str(settings.kubeconfig) == "/h/someone/.cache/tributary/clusters/tributary/kubeconfig"
    assert (settings.namespace, settings.release, settings.kubeflow_namespace) == ("tributary", "tributary", "kubeflow")


def test_an_empty_variable_is_no_variable() -> None:
    empty = {"HOME": "/h/someone", "CLUSTER": "", "CACHE": "", "CONTEXT": "", "PORT": "", "PROVIDER": ""}
    assert Settings.from_environ(empty) == Settings.from_environ({"HOME": "/h/someone"})


def test_two_clusters_share_neither_ports_nor_state() -> None:
    one = Settings.from_environ({"HOME": "/h", "CLUSTER": "one"})
    two = Settings.from_environ({"HOME": "/h", "CLUSTER": "two"})
    assert abs(one.ports.base - two.ports.base) >= 10
    assert one.state != two.state


def test_a_context_has_a_state_of_its_own() -> None:
    plain = Settings.from_environ({"HOME": "/h"})
    other = Settings.from_environ({"HOME": "/h", "CONTEXT": "me@Cluster/EU"})
    alike = Settings.from_environ({"HOME": "/h", "CONTEXT": "me-cluster-eu"})
    assert other.kube_context == "me@Cluster/EU"
    assert len({plain.state, other.state, alike.state}) == 3


def test_the_ports_are_ten_in_a_row() -> None:
    ports = Settings.from_environ({"HOME": "/h", "PORT": "30000"}).ports
    named = [ports.metadata_service, ports.object_store, ports.kubeflow_pipelines, ports.ui, ports.object_store_console]
    assert [*named, ports.kubernetes] == [30000, 30001, 30002, 30003, 30004, 30009]


def test_minikube_names_its_context_after_the_profile() -> None:
    assert Settings.from_environ({"HOME": "/h", "PROVIDER": "minikube", "CLUSTER": "mine"}).kube_context == "mine"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CLUSTER", "Upper"),
        ("CLUSTER", "c" * 50),
        ("NAMESPACE", "under_score"),
        ("RELEASE", "r" * 54),
        ("KUBEFLOW_NAMESPACE", "-dash"),
        ("PROVIDER", "vagrant"),
        ("PORT", "80"),
        ("PORT", "many"),
        ("PORT", "65530"),
    ],
)
def test_a_wrong_value_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(Refused) as refused:
        Settings.from_environ({"HOME": "/h", name: value})
    assert str(refused.value).startswith(f"{name}: {value!r}")


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(Refused) as refused:
        Settings.from_environ({"HOME": "/h", "CLUSTER": "A", "RELEASE": "B", "PROVIDER": "c"})
    assert len(str(refused.value).splitlines()) == 3
