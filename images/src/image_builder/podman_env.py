"""The settings under which podman and buildah work here: own storage, and limits that this machine can give.

Storage of our own keeps a second cache truly apart, and a deleted cache takes its images and containers along. The
limits are read off the machine, for podman's defaults ask for more than a small virtual machine may hand out.
"""

from __future__ import annotations

import hashlib
import os
import resource
from pathlib import Path

# What podman asks for by itself; a machine that gives more needs no more.
_DEFAULT_LIMIT = 1_048_576


def environment(cache: Path) -> dict[str, str]:
    """Write containers.conf and storage.conf below cache, and give the environment that points at them.

    The result is this process's environment with the two names set: hand it to every podman, buildah and kind.
    """
    folder = cache / "containers"
    folder.mkdir(parents=True, exist_ok=True)
    run = run_folder(cache)
    files = {
        "containers.conf": _containers_conf(run),
        "storage.conf": f'[storage]\ndriver = "overlay"\ngraphroot = "{folder / "storage"}"\nrunroot = "{run}"\n',
    }
    for name, text in files.items():
        _write_if_changed(folder / name, text)
    return dict(os.environ) | {
        "CONTAINERS_CONF": str(folder / "containers.conf"),
        "CONTAINERS_STORAGE_CONF": str(folder / "storage.conf"),
        "PATH": os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"]),
    }


def run_folder(cache: Path) -> Path:
    """Where the state of running containers lies.

    It is outside the cache, in a place that a reboot empties: podman tells by it that its containers stand still.
    It is short, for the paths of sockets below it must fit into 108 bytes.
    """
    digest = hashlib.sha256(str(cache.resolve()).encode()).hexdigest()[:8]
    return Path("/run/tributary") / digest


def _containers_conf(run: Path) -> str:
    systemd = Path("/run/systemd/system").is_dir()
    return (
        "[containers]\n"
        f'default_ulimits = ["nofile={_limit(resource.RLIMIT_NOFILE)}", "nproc={_processes()}"]\n'
        "pids_limit = 0\n"
        "[engine]\n"
        f'cgroup_manager = "{"systemd" if systemd else "cgroupfs"}"\n'
        'events_logger = "file"\n'
        'runtime = "runc"\n'
        f'tmp_dir = "{run / "libpod"}"\n'
        "[network]\n"
        'network_backend = "netavark"\n'
    )


def _limit(kind: int) -> str:
    hard = resource.getrlimit(kind)[1]
    limit = _DEFAULT_LIMIT if hard == resource.RLIM_INFINITY else min(hard, _DEFAULT_LIMIT)
    return f"{limit}:{limit}"


def _processes() -> str:
    """As many processes as there are ids for; runc is refused a higher limit where the kernel grants it no more."""
    ids = int(Path("/proc/sys/kernel/pid_max").read_text())
    return min(_limit(resource.RLIMIT_NPROC), f"{ids}:{ids}", key=lambda limit: int(limit.split(":")[0]))


def _write_if_changed(path: Path, text: str) -> None:
    """Replace in one step, and only when needed: another podman may be reading."""
    if path.exists() and path.read_text() == text:
        return
    part = path.with_suffix(f".{os.getpid()}")
    part.write_text(text)
    part.replace(path)
