"""Names, paths and ports follow from a few variables, and a wrong one is refused."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cluster.errors import Refused
from cluster.ownership import Record, claim
from cluster.settings import RELEASE_LIMIT, Settings


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
    ("files", "provider"),
    [
        ({"owner.json": '{"provider": "minikube", "port": 21000}'}, "minikube"),
        ({"owner.json": '{"provider": "kind-docker", "port": 21000}', "node-image.json": "{}"}, "kind-docker"),
        ({"kind.yaml": "", "node-image.json": "{}"}, "kind-podman"),
        ({"kind.yaml": ""}, "kind-docker"),
        ({"node-image.json": "{}"}, "auto"),
    ],
    ids=["minikube", "docker", "older podman", "older docker", "nothing was made"],
)
def test_the_provider_that_made_the_cluster_stays(tmp_path: Path, files: dict[str, str], provider: str) -> None:
    state = tmp_path / "clusters" / "mine"
    state.mkdir(parents=True)
    for name, text in files.items():
        (state / name).write_text(text)
    found = Settings.from_environ({"CACHE": str(tmp_path), "CLUSTER": "mine"})
    assert found.provider == provider
    assert found.kube_context == ("mine" if provider == "minikube" else "kind-mine")


def test_a_provider_that_contradicts_it_is_refused(tmp_path: Path) -> None:
    given = {"CACHE": str(tmp_path), "CLUSTER": "mine", "PROVIDER": "minikube"}
    claim(tmp_path / "clusters" / "mine", Record("kind-podman", 21000))
    with pytest.raises(Refused, match="'mine' was made by kind-podman, not by minikube"):
        Settings.from_environ(given)
    assert Settings.from_environ({**given, "CONTEXT": "theirs"}).context == "theirs"
    assert Settings.from_environ({**given, "PROVIDER": "kind-podman"}).provider == "kind-podman"


def test_the_ports_with_which_the_cluster_was_made_stay(tmp_path: Path) -> None:
    given = {"CACHE": str(tmp_path), "CLUSTER": "mine"}
    claim(tmp_path / "clusters" / "mine", Record("kind-podman", 26000))
    assert Settings.from_environ(given).ports.base == 26000
    assert Settings.from_environ({**given, "PORT": "26000"}).ports.base == 26000
    with pytest.raises(Refused) as refused:
        Settings.from_environ({**given, "PORT": "27000", "PROVIDER": "minikube"})
    assert str(refused.value).count(f"run `make down CLUSTER=mine CACHE={tmp_path}` without P") == 2
    assert [line.split(",")[0] for line in str(refused.value).splitlines()] == [
        "PROVIDER: the cluster 'mine' was made by kind-podman",
        "PORT: the cluster 'mine' was made with ports from 26000 on",
    ]


def test_the_ports_of_the_port_forwards_stay_until_others_are_asked_for(tmp_path: Path) -> None:
    given = {"CACHE": str(tmp_path), "CONTEXT": "theirs"}
    claim(Settings.from_environ(given).state, Record("context", 26000))
    assert Settings.from_environ(given).ports.base == 26000
    assert Settings.from_environ({**given, "PORT": "27000"}).ports.base == 27000


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, ["make env", "make status", "make install"]),
        (
            {"CLUSTER": "two", "CACHE": "/other place", "NAMESPACE": "n", "RELEASE": "r", "KUBEFLOW_NAMESPACE": "k"},
            [
                "make env CLUSTER=two CACHE='/other place'",
                "make status CLUSTER=two CACHE='/other place' NAMESPACE=n RELEASE=r KUBEFLOW_NAMESPACE=k",
                "make install CLUSTER=two CACHE='/other place' NAMESPACE=n RELEASE=r KUBEFLOW_NAMESPACE=k",
            ],
        ),
        (
            {"CLUSTER": "two", "CONTEXT": "me@cluster", "REGISTRY": "host/folder"},
            [
                "make env CONTEXT=me@cluster",
                "make status CONTEXT=me@cluster",
                "make install CONTEXT=me@cluster REGISTRY=host/folder",
            ],
        ),
    ],
    ids=["defaults", "a cluster of another name", "a context"],
)
def test_what_make_is_told_about_this_cluster(
    given: dict[str, str], words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/h/someone")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    settings = Settings.from_environ({"HOME": "/h/someone", **given})
    assert [settings.make(target) for target in ("env", "status", "install")] == words


def test_the_longest_release_name_is_the_charts() -> None:
    names = (Path(__file__).parents[3] / "charts/tributary/templates/_names.tpl").read_text()
    (suffix,) = re.findall(r'\$longest := sub 63 \(len "([^"]+)"\)', names)
    assert 63 - len(suffix) == RELEASE_LIMIT


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CLUSTER", "Upper"),
        ("CLUSTER", "c" * 50),
        ("NAMESPACE", "under_score"),
        ("RELEASE", "r" * 37),
        ("RELEASE", "1st"),
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
