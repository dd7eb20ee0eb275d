"""`make install` where all stands: it finds everything, changes nothing, and shows the demo's run."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.cluster
ROOT = Path(__file__).parents[3]


def test_a_second_install_changes_nothing_and_runs_nothing(kubeflow: Any) -> None:
    before = kubeflow.list_runs(page_size=1, sort_by="created_at desc").runs[0].run_id
    done = subprocess.run(
        ["make", "install"], cwd=ROOT, env=os.environ.copy(), capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert re.search(r"localhost\s+: ok=\d+\s+changed=0 ", done.stdout)
    assert "The demo has already run with this code" in done.stdout
    assert kubeflow.list_runs(page_size=1, sort_by="created_at desc").runs[0].run_id == before
