"""Attempts that ended before Metaflow began them: what the tasks behind them read."""

import subprocess
from pathlib import Path

import pytest

from bridge.tests.pod.small_kubeflow import SmallKubeflow, describe, tasks

# What the pods look for in the flow's file: an attempt that ends before it begins anything, as one does that Metaflow's
# service does not answer.
UNBEGUN = """
import os, sys
if f"{os.environ.get('METAFLOW_TASK_ID')}/{os.environ.get('METAFLOW_RETRY_COUNT')}" == "UNBEGUN":
    sys.exit("no answer")
"""

RETRIED = """
from metaflow import FlowSpec, current, retry, step

class RetriedFlow(FlowSpec):
    @retry(times=3, minutes_between_retries=0)
    @step
    def start(self):
        self.made_in = current.retry_count
        self.items = list(range(1 + current.retry_count))
        if current.retry_count == 0:
            raise ValueError("not yet")
        self.next(self.work, foreach="items")

    @step
    def work(self):
        self.seen = (self.made_in, self.input)
        self.next(self.join)

    @step
    def join(self, inputs):
        self.seen = [each.seen for each in inputs]
        self.next(self.end)

    @step
    def end(self):
        pass

if __name__ == "__main__":
    RetriedFlow()
"""

LOOP = """
from metaflow import FlowSpec, retry, step

class LoopFlow(FlowSpec):
    @step
    def start(self):
        self.rounds = 0
        self.next(self.loop)

    @retry(times=1, minutes_between_retries=0)
    @step
    def loop(self):
        self.rounds += 1
        self.state = "again" if self.rounds < 4 else "end"
        self.next({"again": self.loop, "end": self.end}, condition="state")

    @step
    def end(self):
        self.seen = self.rounds

if __name__ == "__main__":
    LoopFlow()
"""


def small(text: str, unbegun: str, folder: Path) -> SmallKubeflow:
    """A run of the flow, in which that attempt of a task (task/attempt) never begins."""
    (folder / "gap_flow.py").write_text(UNBEGUN.replace("UNBEGUN", unbegun) + text)
    return SmallKubeflow(describe(folder / "gap_flow.py", folder), folder, flows=folder)


def ended(pod: subprocess.Popen[str]) -> tuple[int, str]:
    """The exit code of a pod, and what it wrote to stderr."""
    _out, err = pod.communicate(timeout=600)
    return pod.returncode, err


@pytest.mark.slow
def test_behind_an_attempt_that_never_began_the_last_one_is_read_and_not_the_one_before(tmp_path: Path) -> None:
    kubeflow = small(RETRIED, "t-start/1", tmp_path)
    for attempt, said in enumerate(["ValueError: not yet", "no answer"]):
        code, err = ended(kubeflow.pod("start", (), attempt))
        assert code == 1
        assert err.splitlines()[-1].endswith(f"t-start, attempt {attempt}: {said}")
    for pod in (("start", (), 2), *(("work", (split,), 0) for split in range(3)), ("join", (), 0)):
        code, err = ended(kubeflow.pod(*pod))
        assert code == 0, err
    found = tasks("RetriedFlow", tmp_path, f"kfp-{kubeflow.run}")
    assert found["start", ()].attempt == 2
    assert found["join", ()].artifacts["seen"] == [(2, 0), (2, 1), (2, 2)]


@pytest.mark.slow
def test_a_round_whose_first_attempt_never_began_is_not_taken_for_the_end_of_the_loop(tmp_path: Path) -> None:
    kubeflow = small(LOOP, "t-loop-r1/0", tmp_path)
    for step in ("start", "loop", "end"):
        code, err = ended(kubeflow.pod(step))
        assert code == 0, err
        assert ("no answer" in err) == (step == "loop")
    assert tasks("LoopFlow", tmp_path, f"kfp-{kubeflow.run}")["end", ()].artifacts["seen"] == 4
