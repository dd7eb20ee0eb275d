"""What of an attempt @timeout limits: the step, and nothing that is set up for it."""

import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import pytest

from bridge.tests.pod.small_kubeflow import FLOWS, describe
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.pod import inputs, process, variables, work


@pytest.fixture
def limits(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[str, float | None]]]:
    """The commands that are run, each by its word, with its limit. None is really run."""
    seen: list[tuple[str, float | None]] = []

    def run(
        argv: list[str], logs: process.Logs, stop: process.Stop, limit: float | None, *, program: bool = False
    ) -> process.Ended:
        seen.append((next((word for word in ("init", "step") if word in argv[4:]), "setup"), limit))
        return process.Ended(0, "")

    monkeypatch.setattr(process, "run", run)
    for variable in ("METAFLOW_TASK_ID", "METAFLOW_RETRY_COUNT"):
        monkeypatch.setenv(variable, "")
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGALRM)}
    yield seen
    for number, handler in before.items():
        signal.signal(number, handler)


def test_neither_the_environments_making_nor_the_parameters_count(
    limits: list[tuple[str, float | None]], tmp_path: Path
) -> None:
    whole = describe(FLOWS / "linear_flow.py", tmp_path)
    step = replace(whole.steps["start"], timeout_seconds=5, interpreter="python", bootstrap=("make it",))
    deployment = replace(whole, steps={**whole.steps, "start": step})
    asked = work.Asked(((inputs.TaskPlace("start", ()),),))
    with patch.dict(os.environ):
        os.environ.pop("KFP_RETRY_INDEX", None)
        work.do(deployment, "kfp-1", asked, variables.Variables(deployment, "kfp-1"))
    assert limits == [("setup", None), ("init", None), ("step", 65.0)]
