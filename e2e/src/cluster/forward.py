"""Port-forwards for a cluster of the user's, whose node ports this machine does not see.

kubectl ends a port-forward when the pod behind it ends, so a shell starts it again. The shells have process groups of
their own, which lie in files: `stop` ends those groups and nothing else.
"""

from __future__ import annotations

import contextlib
import json
import os
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

# Goes on in the background after it has told the process group and the process that goes on.
_AGAIN = 'log=$1; shift; (while :; do "$@"; sleep 1; done) >>"$log" 2>&1 </dev/null & echo $$ $!'
_LISTENS_WITHIN = 60
_ENDS_WITHIN = 5


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
    ui = Forward("ui", ports.ui, settings.namespace, f"{release}-ui", 8083)
    return [
        Forward("metadata-service", ports.metadata_service, settings.namespace, f"{release}-metadata-service", 8080),
        Forward("object-store", ports.object_store, settings.namespace, f"{release}-object-store", 9000),
        Forward("kubeflow-pipelines", ports.kubeflow_pipelines, settings.kubeflow_namespace, "ml-pipeline", 8888),
        *([ui] if _has_ui(settings) else []),
    ]


def _has_ui(settings: Settings) -> bool:
    """Whether the release has a UI: values may leave it out, and the playbooks tell the laptop's config."""
    try:
        config = json.loads((settings.client / "config.json").read_text())
    except FileNotFoundError:
        return False
    return "METAFLOW_UI_URL" in config


def start(settings: Settings, kubectl: Kubectl, say: Say) -> None:
    """Start what does not run yet, and wait until each port answers. Raises Refused or Failed.

    One that leads from another port or to another Service than now is asked for is ended first.
    """
    missing = [forward for forward in wanted(settings) if not _runs(settings, kubectl, forward)]
    for forward in missing:
        if (group := _group(settings, forward.name)) is not None:
            _end(group)
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
            _end(group)
            say(f"ended the port-forward of {file.stem}")
        file.unlink()


def _end(group: int) -> None:
    """Ask all processes of the group to end, and make them when they do not."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGTERM)
        deadline = time.monotonic() + _ENDS_WITHIN
        while lives(group):
            if time.monotonic() > deadline:
                os.killpg(group, signal.SIGKILL)
                return
            time.sleep(0.05)


def lives(group: int) -> bool:
    """Whether a process of the group runs. One that has ended counts for nothing, though the first process of a
    container may leave it unreaped for seconds.
    """
    for file in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            # The name, in brackets, may hold anything.
            state, _parent, its_group, *_ = file.read_text(errors="replace").rpartition(")")[2].split()
            if int(its_group) == group and state not in "ZX":
                return True
    return False


def running(settings: Settings) -> list[str]:
    """The names of the forwards that run."""
    return [file.stem for file in _files(settings) if _group(settings, file.stem) is not None]


def _start_one(settings: Settings, kubectl: Kubectl, forward: Forward) -> None:
    folder = _folder(settings)
    folder.mkdir(parents=True, exist_ok=True)
    log = _log(settings, forward.name)
    log.parent.mkdir(parents=True, exist_ok=True)
    started = subprocess.run(
        ["sh", "-c", _AGAIN, _mark(settings, forward.name), str(log), *_argv(kubectl, forward)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        check=True,
    )
    (folder / f"{forward.name}.pid").write_text(started.stdout)


def _argv(kubectl: Kubectl, forward: Forward) -> list[str]:
    return kubectl.argv(
        "port-forward", "--address=127.0.0.1", f"--namespace={forward.namespace}",
        f"service/{forward.service}", f"{forward.port}:{forward.target}",
    )  # fmt: skip


def _runs(settings: Settings, kubectl: Kubectl, forward: Forward) -> bool:
    """Whether this very forward was started and still runs."""
    found = _shell(settings, forward.name)
    argv = _argv(kubectl, forward)
    return found is not None and found[1][-len(argv) :] == argv


def _group(settings: Settings, name: str) -> int | None:
    """The process group of a forward, if its process is still the shell that was started."""
    found = _shell(settings, name)
    return found[0] if found else None


def _shell(settings: Settings, name: str) -> tuple[int, list[str]] | None:
    """The process group of a forward and its shell's words, if its process is still the shell that was started."""
    file = _folder(settings) / f"{name}.pid"
    if not file.exists():
        return None
    group, pid = map(int, file.read_text().split())
    try:
        words = Path(f"/proc/{pid}/cmdline").read_text().removesuffix("\0").split("\0")
    except (FileNotFoundError, ProcessLookupError):
        return None
    return (group, words) if _mark(settings, name) in words else None


def _mark(settings: Settings, name: str) -> str:
    """The shell's own name among its words: tells its process from any other that got the pid later."""
    return f"tributary-forward:{settings.state}:{name}"


def _files(settings: Settings) -> Iterator[Path]:
    yield from sorted(_folder(settings).glob("*.pid"))


def _folder(settings: Settings) -> Path:
    return settings.state / "forwards"


def _log(settings: Settings, name: str) -> Path:
    return settings.logs / f"forward-{name}.log"
