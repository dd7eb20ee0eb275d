"""The folder beside a task's artifacts: nothing of it is left, and no forked process takes it away."""

import os
import tempfile
from pathlib import Path

import pytest

from metaflow_extensions.tributary.plugins.kubeflow_pipelines.pod.process import BecomeCommand, Logs, scratch


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary folders are made."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_it_goes_with_what_lies_in_it_also_when_the_task_fails(temporary: Path) -> None:
    with pytest.raises(ValueError, match="failed"), scratch() as folder:
        (folder / "input-paths").write_text("1/start/1")
        raise ValueError("failed")
    assert list(temporary.iterdir()) == []


def test_a_fork_that_becomes_a_command_leaves_it_to_the_runner(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BecomeCommand), scratch() as folder:
        monkeypatch.setattr(os, "getpid", lambda: -1)
        raise BecomeCommand(["flow.py"])
    assert folder.is_dir()


def test_what_is_written_after_the_end_is_shown_and_not_kept(
    temporary: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    with scratch() as folder:
        logs = Logs(folder / "0", save=lambda files: True)
    logs.add("stderr", b"said too late\n")
    assert b"said too late" in capfdbinary.readouterr().err
    assert list(temporary.iterdir()) == []
