"""Port-forwards are started once, started again when they end, and ended by their own pids alone."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cluster import forward
from cluster.doctor import is_free
from cluster.errors import Refused
from cluster.kubectl import Kubectl
from cluster.settings import Ports, Settings

# Listens on the port that its last word names, as kubectl port-forward does, and writes down its pid.
_KUBECTL = """\
#!{python} -IS
import os, pathlib, socket, sys, time
port = int(sys.argv[-1].split(":")[0])
server = socket.create_server(("127.0.0.1", port))
pathlib.Path({folder!r}, str(port)).write_text(str(os.getpid()))
time.sleep(600)
"""


@pytest.fixture
def ours(settings: Settings, free_ports: Ports) -> Iterator[Settings]:
    """Settings of a context, on ports that nobody uses."""
    chosen = replace(settings, context="mine", ports=free_ports)
    yield chosen
    forward.stop(chosen, lambda line: None)


@pytest.fixture
def kubectl(ours: Settings, tmp_path: Path) -> Kubectl:
    program = tmp_path / "kubectl"
    program.write_text(_KUBECTL.format(python=sys.executable, folder=str(tmp_path)))
    program.chmod(0o755)
    return Kubectl.of(ours, program)


def until(look: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not look():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def start(settings: Settings, kubectl: Kubectl) -> list[str]:
    lines: list[str] = []
    forward.start(settings, kubectl, lines.append)
    return lines


def test_each_port_listens_after_the_start(ours: Settings, kubectl: Kubectl) -> None:
    lines = start(ours, kubectl)
    assert [line.split()[-1] for line in lines] == ["metadata-service", "object-store", "kubeflow-pipelines"]
    assert not any(is_free(each.port) for each in forward.wanted(ours))
    assert forward.running(ours) == ["kubeflow-pipelines", "metadata-service", "object-store"]


def test_a_release_with_a_ui_gets_its_port_too(ours: Settings, kubectl: Kubectl) -> None:
    ours.client.mkdir(parents=True)
    (ours.client / "config.json").write_text(json.dumps({"METAFLOW_UI_URL": f"http://127.0.0.1:{ours.ports.ui}"}))
    assert f"127.0.0.1:{ours.ports.ui} is ui" in start(ours, kubectl)
    assert "ui" in forward.running(ours)


def test_a_second_start_leaves_the_first_alone(ours: Settings, kubectl: Kubectl, tmp_path: Path) -> None:
    start(ours, kubectl)
    before = (tmp_path / str(ours.ports.object_store)).read_text()
    start(ours, kubectl)
    assert (tmp_path / str(ours.ports.object_store)).read_text() == before


def test_other_ports_take_the_place_of_those_before(ours: Settings, kubectl: Kubectl) -> None:
    start(ours, kubectl)
    other = replace(ours, ports=Ports(next(base for base in range(ours.ports.base + 10, 32000, 10) if free(base))))
    start(other, kubectl)
    assert not any(is_free(each.port) for each in forward.wanted(other))
    assert all(is_free(each.port) for each in forward.wanted(ours))


def free(base: int) -> bool:
    return all(is_free(port) for port in range(base, base + 10))


def test_a_forward_that_ended_comes_again(ours: Settings, kubectl: Kubectl, tmp_path: Path) -> None:
    start(ours, kubectl)
    file = tmp_path / str(ours.ports.object_store)
    before = file.read_text()
    os.kill(int(before), signal.SIGKILL)
    until(lambda: file.read_text() not in ("", before))


def test_stop_ends_all_of_them(ours: Settings, kubectl: Kubectl) -> None:
    start(ours, kubectl)
    forward.stop(ours, lambda line: None)
    until(lambda: all(is_free(each.port) for each in forward.wanted(ours)))
    assert forward.running(ours) == []


def test_stop_ends_no_process_that_only_has_the_pid(ours: Settings) -> None:
    folder = ours.state / "forwards"
    folder.mkdir(parents=True)
    stranger = subprocess.Popen(["sleep", "600"], start_new_session=True)
    try:
        (folder / "object-store.pid").write_text(f"{stranger.pid} {stranger.pid}")
        forward.stop(ours, lambda line: None)
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_process_that_has_ended_and_was_not_reaped_does_not_live() -> None:
    process = subprocess.Popen(["sleep", "600"], start_new_session=True)
    assert forward.lives(process.pid)
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert not forward.lives(process.pid)
    process.wait()


def test_a_port_of_somebody_else_is_refused(ours: Settings, kubectl: Kubectl) -> None:
    with (
        socket.create_server(("127.0.0.1", ours.ports.object_store)),
        pytest.raises(Refused, match=rf"^PORT: {ours.ports.object_store} on 127.0.0.1, for object-store, is in use"),
    ):
        start(ours, kubectl)
    assert forward.running(ours) == []
