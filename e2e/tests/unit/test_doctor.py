"""What hinders a start is found before anything is done."""

from __future__ import annotations

import json
import socket
from dataclasses import replace

import pytest

from cluster import doctor
from cluster.errors import Refused
from cluster.ownership import Record, claim, mount_point
from cluster.providers import provider_of
from cluster.settings import Ports, Settings
from laptop.recorder import Recorder


@pytest.fixture
def free(settings: Settings, recorder: Recorder, free_ports: Ports) -> Settings:
    """Settings on Docker, on ports that nobody uses now."""
    recorder.stand_in_for("docker", "kind", "kubectl")
    recorder.answer("docker", "container", "inspect", code=1)
    return replace(settings, provider="kind-docker", ports=free_ports)


def test_nothing_hinders(free: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "NEEDED_WARM", 0)
    assert list(doctor.problems(free, provider_of(free))) == []


def test_a_port_in_use_is_told_with_its_purpose(free: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "NEEDED_WARM", 0)
    with socket.create_server(("127.0.0.1", free.ports.object_store)):
        problems = list(doctor.problems(free, provider_of(free)))
    assert problems == [
        f"PORT: {free.ports.object_store} on 127.0.0.1, for object-store, is in use. "
        "Free it, or set PORT to the first of ten free ports."
    ]


def test_a_cluster_that_was_made_wants_its_own_ports_back(free: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """PORT would be refused for it, so it is not what is advised."""
    monkeypatch.setattr(doctor, "NEEDED_WARM", 0)
    claim(free.state, Record("kind-docker", free.ports.base))
    with socket.create_server(("127.0.0.1", free.ports.ui)):
        problems = list(doctor.problems(free, provider_of(free)))
    assert problems == [
        f"PORT: {free.ports.ui} on 127.0.0.1, for ui, is in use, and the cluster was made with it. "
        "Free it. A cluster with other ports takes "
        f"`make down CLUSTER=nowhere CACHE={free.cache}` first."
    ]


@pytest.mark.parametrize(("pid", "hindered"), [(4242, False), (0, True)], ids=["running", "standing still"])
def test_ports_of_a_running_cluster_are_its_own(
    pid: int, hindered: bool, free: Settings, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "NEEDED_WARM", 0)
    node = {
        "Id": "c0ffee",
        "State": {"Pid": pid},
        "Config": {"Labels": {"io.x-k8s.kind.cluster": "nowhere"}},
        "Mounts": [{"Destination": mount_point(free.state)}],
    }
    recorder.answer("docker", "container", "inspect", text=json.dumps([node]))
    with socket.create_server(("127.0.0.1", free.ports.object_store)):
        assert bool(list(doctor.problems(free, provider_of(free)))) is hindered


def test_too_little_disk_is_told_with_figures(free: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "NEEDED_WARM", 1 << 30)
    problems = list(doctor.problems(free, provider_of(free)))
    assert len(problems) == 1
    assert problems[0].startswith(f"CACHE: {free.cache} has ")
    assert f"{1 << 30} are needed" in problems[0]


def test_a_first_start_from_packages_needs_more(
    settings: Settings, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also one that was interrupted when the node's image lay there and Kubeflow Pipelines did not."""
    recorder.stand_in_for("podman")
    recorder.answer("podman", code=1)
    monkeypatch.setattr(doctor, "NEEDED_COLD", 1 << 30)
    monkeypatch.setattr(doctor, "NEEDED_WARM", 0)
    podman = replace(settings, provider="kind-podman")
    assert any(problem.startswith("CACHE:") for problem in doctor.problems(podman, provider_of(podman)))
    (podman.cache / "node").mkdir(parents=True)
    assert any(problem.startswith("CACHE:") for problem in doctor.problems(podman, provider_of(podman)))
    (podman.cache / "kubeflow").mkdir()
    assert not any(problem.startswith("CACHE:") for problem in doctor.problems(podman, provider_of(podman)))


def test_all_problems_come_at_once(free: Settings, recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    recorder.answer("docker", "info", code=1)
    monkeypatch.setattr(doctor, "NEEDED_WARM", 1 << 30)
    with pytest.raises(Refused) as refused:
        doctor.refuse_problems(free, provider_of(free))
    assert [line.split(":")[0] for line in str(refused.value).splitlines()] == ["docker", "CACHE"]
