"""Pods that run several tasks: what they leave, how often each is tried, and what the next pod makes of it."""

import json
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from bridge.tests.pod.small_kubeflow import FLOWS, SmallKubeflow, describe, run_locally, tasks
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.pod.origin import Origin
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.pod.outputs import Batches, write_splits

CHAIN = '''
import os, signal, subprocess
from metaflow import FlowSpec, current, environment, retry, step

class ChainFlow(FlowSpec):
    """Three steps that fail as often as CHAIN_FAILS says, and write down what they see."""

    def note(self):
        print("I am", current.step_name)
        self.seen = [*getattr(self, "seen", []), (current.step_name, current.retry_count, os.environ.get("MINE"))]
        self.runs = [*getattr(self, "runs", []), current.run_id]
        if os.environ.get("CHAIN_DIES") == current.step_name:
            for process in (os.getppid(), os.getpid()):
                os.kill(process, signal.SIGKILL)
        fails = dict(word.split("=") for word in os.environ.get("CHAIN_FAILS", "").split())
        if current.retry_count < int(fails.get(current.step_name, 0)):
            raise ValueError(f"{current.step_name} {current.retry_count}")

    @environment(vars={"MINE": "first"})
    @retry(times=2, minutes_between_retries=0)
    @step
    def start(self):
        self.note()
        self.left = subprocess.Popen(["sleep", "600"]).pid
        self.next(self.middle)

    @retry(times=2, minutes_between_retries=0)
    @step
    def middle(self):
        self.note()
        self.next(self.end)

    @environment(vars={"MINE": "last"})
    @retry(times=2, minutes_between_retries=0)
    @step
    def end(self):
        self.note()

if __name__ == "__main__":
    ChainFlow()
'''

BATCH = '''
import os
from metaflow import FlowSpec, current, retry, step

class BatchFlow(FlowSpec):
    """Five splits; those that BATCH_FAILS names fail as often as it says."""

    @step
    def start(self):
        self.numbers = list(range(5))
        self.next(self.square, foreach="numbers")

    @retry(times=1, minutes_between_retries=0)
    @step
    def square(self):
        self.result = self.input ** 2
        fails = dict(word.split("=") for word in os.environ.get("BATCH_FAILS", "").split())
        if current.retry_count < int(fails.get(str(self.index), 0)):
            raise ValueError(f"split {self.index} {current.retry_count}")
        self.next(self.join)

    @step
    def join(self, inputs):
        self.results = [one.result for one in inputs]
        self.next(self.end)

    @step
    def end(self):
        pass

if __name__ == "__main__":
    BatchFlow()
'''


def small(text: str, folder: Path) -> SmallKubeflow:
    """A run of a flow given as text."""
    (folder / "some_flow.py").write_text(text)
    return SmallKubeflow(describe(folder / "some_flow.py", folder), folder, flows=folder)


def run(kubeflow: SmallKubeflow, *argv: str, attempt: int = 0, **variables: str) -> tuple[int, str]:
    """Run one container to its end; gives its exit code and what it wrote to stderr."""
    pod = kubeflow.container(argv, attempt, **variables)
    _out, err = pod.communicate(timeout=600)
    return pod.returncode, err


def attempts(kubeflow: SmallKubeflow) -> dict[tuple[str, tuple[int, ...]], int]:
    """The attempt that counts of each task that ended well."""
    name = kubeflow.deployment.flow_name
    found = tasks(name, kubeflow.root, f"kfp-{kubeflow.run}")
    well = {place: task for place, task in found.items() if task.artifacts["_task_ok"]}
    return {place: task.attempt for place, task in well.items() if place[0] != "_parameters"}


@pytest.mark.parametrize(
    ("count", "batches", "items"),
    [
        (3, None, ["0", "1", "2"]),
        (3, Batches(3), ["0", "1", "2"]),
        (4, Batches(3), ["0:2", "2:4"]),
        (7, Batches(3), ["0:3", "3:6", "6"]),
        (5, Batches(1), ["0:5"]),
        (0, Batches(2), []),
        (5, Batches(100, splits=2), ["0:2", "2:4", "4"]),
        (5, Batches(100, splits=9), ["0:5"]),
        (9, Batches(2, splits=3), ["0:5", "5:9"]),
        (0, Batches(2, splits=3), []),
    ],
)
def test_splits_are_written_as_ranges_where_a_pod_runs_several(
    count: int, batches: Batches | None, items: list[str], tmp_path: Path
) -> None:
    write_splits(tmp_path / "out" / "splits", count, batches)
    assert json.loads((tmp_path / "out" / "splits").read_text()) == items


def test_ten_thousand_splits_fit_into_an_output_of_kubeflow(tmp_path: Path) -> None:
    write_splits(tmp_path / "splits", 10_000, Batches(100))
    items = json.loads((tmp_path / "splits").read_text())
    assert len(items) == 100
    assert [index for item in items for index in range(*map(int, item.split(":")))] == list(range(10_000))
    assert (tmp_path / "splits").stat().st_size < 2_000


@pytest.mark.slow
def test_a_chain_leaves_a_task_for_each_step_with_its_own_variables_and_no_children(tmp_path: Path) -> None:
    chain = small(CHAIN, tmp_path)
    code, err = run(chain, "start,middle,end", MINE="inherited")
    assert code == 0, err
    assert attempts(chain) == {("start", ()): 0, ("middle", ()): 0, ("end", ()): 0}
    end = tasks("ChainFlow", tmp_path, f"kfp-{chain.run}")["end", ()].artifacts
    assert end["seen"] == [("start", 0, "first"), ("middle", 0, "inherited"), ("end", 0, "last")]
    for step in ("start", "middle", "end"):
        task = tmp_path / ".metaflow" / "ChainFlow" / f"kfp-{chain.run}" / step / f"t-{step}"
        assert f"I am {step}" in (task / "0.task_stdout.log").read_text()
        assert [*(task / "_meta").glob("*attempt_ok*")]
    state = Path("/proc", str(end["left"]), "stat")
    assert not state.exists() or state.read_text().rpartition(")")[2].split()[0] == "Z"
    assert chain.left_over() == []


@pytest.mark.slow
def test_no_thread_is_left_when_the_next_task_of_a_pod_is_forked(tmp_path: Path) -> None:
    """What a thread of the runner has locked would stay locked in the next task's process."""
    chain = small(CHAIN, tmp_path)
    told = "import os, threading, time\nfork = os.fork\n"
    told += "def counted():\n    print('threads:', threading.active_count(), flush=True)\n    return fork()\n"
    (tmp_path / "sitecustomize.py").write_text(f"{told}os.fork = counted\n")
    pod = chain.container(["start,middle,end"], PYTHONPATH=str(tmp_path))
    out, err = pod.communicate(timeout=600)
    assert pod.returncode == 0, err
    # Of the parameters, and of each step.
    assert [line for line in out.splitlines() if line.startswith("threads:")] == ["threads: 1"] * 4


@pytest.mark.slow
def test_a_run_retried_by_hand_goes_on_in_its_chain_with_the_step_that_had_failed(tmp_path: Path) -> None:
    chain = small(CHAIN, tmp_path)
    assert run(chain, "start,middle,end", attempt=2, CHAIN_FAILS="middle=9")[0] == 1
    code, err = run(chain, "start,middle,end", attempt=0)
    assert code == 0, err
    assert "t-start: ended well in attempt 0, not run again" in err
    assert attempts(chain) == {("start", ()): 0, ("middle", ()): 3, ("end", ()): 0}


@pytest.mark.slow
def test_a_pod_that_dies_in_the_middle_of_a_chain_costs_one_attempt_of_the_step_that_ran(tmp_path: Path) -> None:
    chain = small(CHAIN, tmp_path)
    assert run(chain, "start,middle,end", CHAIN_DIES="middle")[0] == -signal.SIGKILL
    code, err = run(chain, "start,middle,end", attempt=1)
    assert code == 0, err
    assert attempts(chain) == {("start", ()): 0, ("middle", ()): 1, ("end", ()): 0}


@pytest.mark.slow
def test_a_resumed_run_takes_over_what_of_a_chain_had_ended_well(tmp_path: Path) -> None:
    old = small(CHAIN, tmp_path)
    assert run(old, "start,middle,end", attempt=2, CHAIN_FAILS="middle=9")[0] == 1
    new = small(CHAIN, tmp_path)
    new.run = "new-run"
    code, err = run(new, "start,middle,end", f"--origin={Origin(f'kfp-{old.run}').to_text()}")
    assert code == 0, err
    assert attempts(new) == {("start", ()): 0, ("middle", ()): 0, ("end", ()): 0}
    found = tasks("ChainFlow", tmp_path, "kfp-new-run")
    assert found["end", ()].artifacts["runs"] == [f"kfp-{old.run}", "kfp-new-run", "kfp-new-run"]


@pytest.mark.slow
def test_each_failure_ends_a_pod_and_the_next_one_goes_on_from_there(tmp_path: Path) -> None:
    chain = small(CHAIN, tmp_path)
    fails = {"CHAIN_FAILS": "start=1 middle=2 end=1"}
    code, err = run(chain, "start,middle,end", attempt=0, **fails)
    assert (code, err.splitlines()[-1]) == (
        1,
        "ChainFlow/kfp-0a1b2c3d-run/start/t-start, attempt 0: ValueError: start 0",
    )
    code, err = run(chain, "start,middle,end", attempt=1, **fails)
    assert (code, err.splitlines()[-1].split("/")[-1]) == (1, "t-middle, attempt 0: ValueError: middle 0")
    # The last pod: what retries are left are made in it.
    code, err = run(chain, "start,middle,end", attempt=2, **fails)
    assert code == 0, err
    assert "The next attempt begins in 0 minutes." in err
    assert attempts(chain) == {("start", ()): 1, ("middle", ()): 2, ("end", ()): 1}


@pytest.mark.slow
def test_a_step_has_its_own_retries_and_no_more(tmp_path: Path) -> None:
    chain = small(CHAIN, tmp_path)
    code, err = run(chain, "start,middle,end", attempt=2, CHAIN_FAILS="start=1 middle=9")
    assert code == 1
    assert err.splitlines()[-1].endswith("middle/t-middle, attempt 2: ValueError: middle 2")
    assert attempts(chain) == {("start", ()): 1}


@pytest.mark.slow
def test_the_last_pod_ends_although_no_attempt_of_its_step_leaves_anything(tmp_path: Path) -> None:
    """What fails before Metaflow begins a task, as a wrong parameter does, is in no datastore."""
    text = CHAIN.replace("current, environment", "Parameter, current, environment").replace(
        "    def note(self):", '    number = Parameter("number", type=int, default=1)\n\n    def note(self):'
    )
    chain = small(text, tmp_path)
    code, err = run(chain, "start,middle,end", '--parameter=in_0="many"', attempt=2)
    assert code == 2
    assert err.count("The next attempt begins") == 2
    assert "t-start, attempt 2: " in err.splitlines()[-1]


@pytest.mark.slow
def test_a_pod_that_waits_for_a_retry_can_be_stopped(tmp_path: Path) -> None:
    chain = small(CHAIN, tmp_path)
    slow = {name: replace(step, minutes_between_retries=60) for name, step in chain.deployment.steps.items()}
    chain.deployment = replace(chain.deployment, steps=slow)
    pod = chain.container(["start,middle,end"], 2, CHAIN_FAILS="start=1")
    assert pod.stderr is not None
    for line in pod.stderr:
        if "The next attempt begins in 60 minutes." in line:
            break
    pod.send_signal(signal.SIGTERM)
    _out, err = pod.communicate(timeout=30)
    assert pod.returncode == 128 + signal.SIGTERM
    assert "t-start, attempt 0: ValueError: start 0" in err.splitlines()[-1]


@pytest.mark.slow
def test_a_batch_goes_on_past_a_split_with_a_retry_and_the_next_pod_runs_only_that(tmp_path: Path) -> None:
    batch = small(BATCH, tmp_path)
    splits = tmp_path / "splits"
    assert run(batch, "start", "--splits", str(splits), "--batches", "2")[0] == 0
    assert json.loads(splits.read_text()) == ["0:3", "3:5"]
    code, err = run(batch, "square", "--index", "0:3", BATCH_FAILS="0=1 2=1")
    assert code == 1
    assert err.splitlines()[-1].endswith(
        "square/t-square-0, attempt 0: ValueError: split 0 0 (and 1 more of its batch)"
    )
    assert attempts(batch) == {("start", ()): 0, ("square", (1,)): 0}
    code, err = run(batch, "square", "--index", "0:3", attempt=1, BATCH_FAILS="0=1 2=1")
    assert code == 0, err
    assert run(batch, "square", "--index", "3:5")[0] == 0
    assert run(batch, "join,end")[0] == 0
    assert {index: attempts(batch)["square", (index,)] for index in range(5)} == {0: 1, 1: 0, 2: 1, 3: 0, 4: 0}
    found = tasks("BatchFlow", tmp_path, f"kfp-{batch.run}")
    assert found["end", ()].artifacts["results"] == [0, 1, 4, 9, 16]


@pytest.mark.slow
def test_a_split_that_fails_for_good_ends_its_batch(tmp_path: Path) -> None:
    batch = small(BATCH, tmp_path)
    assert run(batch, "start", "--splits", str(tmp_path / "splits"))[0] == 0
    code, err = run(batch, "square", "--index", "0:5", attempt=1, BATCH_FAILS="1=9")
    assert code == 1
    assert err.splitlines()[-1].endswith("square/t-square-1, attempt 1: ValueError: split 1 1")
    # The others went on while it had a retry left.
    assert sorted(attempts(batch)) == [*(("square", (index,)) for index in (0, 2, 3, 4)), ("start", ())]


@pytest.mark.slow
def test_a_chain_over_a_batch_is_what_a_laptop_runs(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    for folder in (here, there):
        folder.mkdir()
    body = SmallKubeflow(describe(FLOWS / "foreach_body_flow.py", there), there)
    steps = body.deployment.steps
    chain = [name for name, step in steps.items() if step.foreach_parents == ("start",)]
    assert len(chain) > 1
    chain.sort(key=lambda name: len(steps[name].in_funcs) and steps[name].in_funcs != ("start",))
    assert run(body, "start", "--splits", str(there / "splits"), "--batches", "1")[0] == 0
    assert run(body, ",".join(chain), "--index", *json.loads((there / "splits").read_text()))[0] == 0
    (join,) = (name for name, step in steps.items() if step.kind == "join")
    code, err = run(body, f"{join},end")
    assert code == 0, err
    name = body.deployment.flow_name
    wanted = tasks(name, here, run_locally(FLOWS / "foreach_body_flow.py", here))
    found = tasks(name, there, f"kfp-{body.run}")
    assert {place: task.artifacts for place, task in found.items()} == {
        place: task.artifacts for place, task in wanted.items()
    }
