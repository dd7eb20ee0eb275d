"""Nodes on podman: what is done to a container whose processes were killed from outside. The real thing is a drill."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cluster.providers import Health, provider_of
from cluster.providers.kind import Kind
from cluster.settings import Settings
from image_builder import podman_env
from laptop.recorder import Recorder

ID = "c0ffee" * 10 + "c0ff"
NODE = "nowhere-control-plane"
INSPECT = ("podman", "container", "inspect", NODE)


@pytest.fixture
def provider(recorder: Recorder, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kind:
    monkeypatch.setattr(podman_env, "run_folder", lambda cache: tmp_path / "run")
    recorder.stand_in_for("podman")
    recorder.answer(*INSPECT, code=1)
    recorder.answer("podman", "network", "inspect", code=1)
    settings.state.mkdir(parents=True)
    (settings.cache / "containers").mkdir()
    (settings.state / "kind.yaml").touch()  # as an earlier version left it
    provider = provider_of(replace(settings, provider="kind-podman"))
    assert isinstance(provider, Kind)
    return provider


@pytest.fixture
def monitor() -> Iterator[subprocess.Popen[bytes]]:
    """A living process with the container's id among its words, as podman's monitor has."""
    process = subprocess.Popen(["sh", "-c", "sleep 600; true", ID])
    yield process
    process.kill()
    process.wait()


def container(*, monitor: int = 0, status: str = "running") -> str:
    return json.dumps(
        [
            {
                "Id": ID,
                "State": {"Pid": 2**22 + 1, "ConmonPid": monitor or 2**22 + 2, "Status": status},
                "Config": {"Labels": {"io.x-k8s.kind.cluster": "nowhere"}},
                "Mounts": [
                    {"Type": "volume", "Name": "of-the-node", "Destination": "/var"},
                    {"Type": "bind", "Source": "/lib/modules", "Destination": "/lib/modules"},
                ],
            }
        ]
    )


def test_podman_may_believe_that_it_runs(provider: Kind, recorder: Recorder) -> None:
    recorder.answer(*INSPECT, text=container())
    assert provider.health() is Health.STOPPED
    assert provider.processes() == []


def test_its_end_is_written_down_before_it_is_started_again(
    provider: Kind, recorder: Recorder, tmp_path: Path, monitor: subprocess.Popen[bytes]
) -> None:
    recorder.answer(*INSPECT, text=container(monitor=monitor.pid))
    assert provider.processes() == [monitor.pid]
    provider.nodes.start_again()
    assert monitor.wait(timeout=10) == -9
    # Without a line's end: podman takes the text for a number as it stands.
    assert (tmp_path / "run" / "libpod" / "exits" / ID).read_text() == "137"
    assert recorder.calls("podman")[-2:] == [["container", "cleanup", NODE], ["start", NODE]]


def test_one_that_ended_by_itself_is_just_started(provider: Kind, recorder: Recorder, tmp_path: Path) -> None:
    recorder.answer(*INSPECT, text=container(status="exited"))
    provider.nodes.start_again()
    assert recorder.calls("podman")[-1] == ["start", NODE]
    assert not (tmp_path / "run").exists()


def test_down_takes_container_volumes_and_network(provider: Kind, recorder: Recorder) -> None:
    recorder.answer(*INSPECT, text=container())
    network = provider.nodes.environment["KIND_EXPERIMENTAL_PODMAN_NETWORK"]
    recorder.answer("podman", "network", "inspect", network)
    provider.down(print)
    removed = [words for words in recorder.calls("podman") if "rm" in words]
    assert removed == [
        ["rm", "--force", "--volumes", NODE],
        ["volume", "rm", "--force", "of-the-node"],
        ["network", "rm", "--force", network],
    ]


def test_clusters_and_caches_have_networks_of_their_own(settings: Settings, tmp_path: Path) -> None:
    podman = replace(settings, provider="kind-podman")
    networks = {
        kind.nodes.environment["KIND_EXPERIMENTAL_PODMAN_NETWORK"]
        for chosen in (podman, replace(podman, cluster="other"), replace(podman, cache=tmp_path / "other"))
        if isinstance(kind := provider_of(chosen), Kind)
    }
    assert len(networks) == 3


@pytest.mark.parametrize(("user", "debian", "problems"), [(0, True, 0), (1000, True, 1), (0, False, 1)])
def test_it_needs_root_on_debian(
    provider: Kind, monkeypatch: pytest.MonkeyPatch, user: int, debian: bool, problems: int
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: user)
    monkeypatch.setattr("cluster.debian.is_debian", lambda: debian)
    found = [problem for problem in provider.problems() if problem.startswith("PROVIDER:")]
    assert len(found) == problems
