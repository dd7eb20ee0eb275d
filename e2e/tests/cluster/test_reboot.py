"""All processes of the cluster die at once, as in a reboot; `make install` must set it right."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from cluster.settings import Settings
from laptop.eventually import eventually
from laptop.shell import Laptop

pytestmark = [pytest.mark.cluster, pytest.mark.long, pytest.mark.timeout(3000)]
ROOT = Path(__file__).parents[3]
_LATEST = "from metaflow import *; namespace(None); print(Flow('DigitsFlow').latest_successful_run.pathspec)"


def test_everything_stands_again_after_all_processes_were_killed(settings: Settings, laptop: Laptop) -> None:
    before = laptop.call([laptop.python, "-c", _LATEST]).out.strip()
    pids = _node_processes(settings)
    assert pids, "no process of the cluster's node was found"
    for pid in pids:
        _kill(pid)
    eventually(lambda: "node processes are left" if any(map(_alive, pids)) else None, within=60)

    done = subprocess.run(
        ["make", "install"], cwd=ROOT, env=os.environ.copy(), capture_output=True, text=True, timeout=1800, check=False
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-3000:]
    kept = laptop.call(
        [laptop.python, "-c", f"from metaflow import *; namespace(None); print(Run({before!r}).data.report)"],
        expect=None,
    )
    said_lost = done.stdout.find("lost")
    assert kept.code == 0 or -1 < said_lost < done.stdout.find("==> Kubeflow Pipelines")
    assert laptop.call([laptop.python, "-c", _LATEST]).out.strip()


def _node_processes(settings: Settings) -> list[int]:
    """The node's first process and its monitor, as the provider knows them, the monitor first."""
    from cluster.providers import provider_of

    found: list[int] = provider_of(settings).processes()
    return found


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _alive(pid: int) -> Any:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split(") ")[1][0] not in "ZX"
    except FileNotFoundError:
        return False
