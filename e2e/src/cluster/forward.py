"""Port-forwards for a cluster of the user's, whose node ports this machine does not see.

kubectl ends a port-forward when the pod behind it ends, so a shell starts it again. The shell leads a process group of
its own, and its pid lies in a file: `stop` ends those groups and nothing else.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cluster.doctor import is_free
from cluster.errors import Failed, Refused
from cluster.kubectl import Kubectl
from cluster.settings import Settings
from cluster.steps import Say

_AGAIN = 'while :; do "$@"; sleep 1; done'
_LISTENS_WITHIN = 60


@dataclass(frozen=True)
class Forward:
    """One port of this machine, and the Service behind it."""

    name: str
    port: int
    namespace: str
    service: str
    target: int


def wanted(settings: Settings) -> list[Forward]:
    """All forwards that a laptop needs."""
    ports, release = settings.ports, settings.release
    return [
        Forward("metadata-service", ports.metadata_service, settings.namespace, f"{release}-metadata-service", 8080),
        Forward("object-store", ports.object_store, settings.namespace, f"{release}-object-store", 9000),
        Forward("kubeflow-pipelines", ports.kubeflow_pipelines, settings.kubeflow_namespace, "ml-pipeline", 8888),
    ]


def start(settings: Settings, kubectl: Kubectl, say: Say) -> None:
    """Start what does not run yet, and wait until each port answers. Raises Refused or Failed."""
    missing = [forward for forward in wanted(settings) if _group(settings, forward.name) is None]
    if taken := [forward for forward in missing if not is_free(forward.port)]:
        raise Refused(
            "\n".join(
                f"PORT: {forward.port} on 127.0.0.1, for {forward.name}, is in use. "
                "Free it, or set PORT to the first of ten free ports."
                for forward in taken
            )
        )
    for forward in missing:
        _start_one(settings, kubectl, forward)
    deadline = time.monotonic() + _LISTENS_WITHIN
    for forward in wanted(settings):
        while is_free(forward.port):
            if time.monotonic() > deadline:
                log = _log(settings, forward.name)
                raise Failed(f"{forward.name}: nothing listens on 127.0.0.1:{forward.port} yet. Look at {log}.")
            time.sleep(0.2)
        say(f"127.0.0.1:{forward.port} is {forward.name}")


def stop(settings: Settings, say: Say) -> None:
    """End every forward that was started for these settings. None is fine."""
    for file in _files(settings):
        group = _group(settings, file.stem)
        if group is not None:
            os.killpg(group, signal.SIGTERM)
            say(f"ended the port-forward of {file.stem}")
        file.unlink()


def running(settings: Settings) -> list[str]:
    """The names of the forwards that run."""
    return [file.stem for file in _files(settings) if _group(settings, file.stem) is not None]


def _start_one(settings: Settings, kubectl: Kubectl, forward: Forward) -> None:
    folder = _folder(settings)
    folder.mkdir(parents=True, exist_ok=True)
    log = _log(settings, forward.name)
    log.parent.mkdir(parents=True, exist_ok=True)
    argv = kubectl.argv(
        "port-forward", "--address=127.0.0.1", f"--namespace={forward.namespace}",
        f"service/{forward.service}", f"{forward.port}:{forward.target}",
    )  # fmt: skip
    with log.open("a") as output:
        process = subprocess.Popen(
            [shutil.which("sh") or "/bin/sh", "-c", _AGAIN, _mark(settings, forward.name), *argv],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    (folder / f"{forward.name}.pid").write_text(str(process.pid))


def _group(settings: Settings, name: str) -> int | None:
    """The process group of a forward, if the process of that pid is still the shell that was started."""
    file = _folder(settings) / f"{name}.pid"
    if not file.exists():
        return None
    pid = int(file.read_text())
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (FileNotFoundError, ProcessLookupError):
        return None
    return pid if _mark(settings, name).encode() in words else None


def _mark(settings: Settings, name: str) -> str:
    """The shell's own name among its words: tells its process from any other that got the pid later."""
    return f"tributary-forward:{settings.state}:{name}"


def _files(settings: Settings) -> Iterator[Path]:
    yield from sorted(_folder(settings).glob("*.pid"))


def _folder(settings: Settings) -> Path:
    return settings.state / "forwards"


def _log(settings: Settings, name: str) -> Path:
    return settings.logs / f"forward-{name}.log"
