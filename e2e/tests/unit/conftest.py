"""Settings of a cluster that is nowhere, and programs that only record."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cluster.doctor import is_free
from cluster.settings import Ports, Settings
from laptop.recorder import Recorder


@pytest.fixture
def recorder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Recorder:
    """Its programs come before all others on PATH."""
    folder = tmp_path / "recorder"
    (folder / "bin").mkdir(parents=True)
    (folder / "answers").write_text("[]")
    monkeypatch.setenv("PATH", f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}")
    return Recorder(folder)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings of a cluster that is nowhere."""
    return Settings.from_environ({"CACHE": str(tmp_path / "cache"), "CLUSTER": "nowhere", "HOME": str(tmp_path)})


@pytest.fixture
def free_ports() -> Ports:
    """Ten ports below those that the kernel hands out, which nobody uses. Processes side by side look elsewhere."""
    bases = range(12000 + os.getpid() % 100 * 80, 32000, 10)
    return Ports(next(base for base in bases if all(is_free(port) for port in range(base, base + 10))))
