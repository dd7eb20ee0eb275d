"""Settings of a cluster that is nowhere, and programs that only record."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cluster.settings import Settings
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
