"""What a pod leaves when it is stopped, killed or started again, and what the next pod makes of it."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bridge.tests.pod.small_kubeflow import FLOWS, SmallKubeflow, describe, environment, tasks

HELD = '''
import os, signal
from metaflow import FlowSpec, current, retry, step

class HeldFlow(FlowSpec):
    """Its first step says that it runs, and then waits for a signal, as long as its attempt is below HELD_UNTIL."""

    @retry(times=2, minutes_between_retries=0)
    @step
    def start(self):
        print("working")
        if current.retry_count < int(os.environ["HELD_UNTIL"]):
            if "DEAF" in os.environ:
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
            with open(os.environ["HELD_FIFO"], "w") as fifo:
                fifo.write(str(os.getpid()))
            while True:
                signal.pause()
        self.made_in = current.retry_count
        self.next(self.end)

    @step
    def end(self):
        self.read = self.made_in

if __name__ == "__main__":
    HeldFlow()
'''


@pytest.fixture
def held(tmp_path: Path) -> SmallKubeflow:
    """A run of a flow whose first step waits."""
    (tmp_path / "held_flow.py").write_text(HELD)
    os.mkfifo(tmp_path / "fifo")
    return SmallKubeflow(describe(tmp_path / "held_flow.py", tmp_path), tmp_path, flows=tmp_path)


def start(held: SmallKubeflow, attempt: int, until: int, **variables: str) -> subprocess.Popen[str]:
    return held.pod("start", (), attempt, HELD_UNTIL=str(until), HELD_FIFO=str(held.root / "fifo"), **variables)


def step_process(held: SmallKubeflow) -> int:
    """The process id of the waiting step; waits until it waits."""
    return int((held.root / "fifo").read_text())


def log(held: SmallKubeflow, stream: str, attempt: int) -> str:
    """A stored log of the first step, without Metaflow's marks."""
    folder = held.root / ".metaflow" / "HeldFlow" / f"kfp-{held.run}" / "start" / "t-start"
    lines = (folder / f"{attempt}.task_{stream}.log").read_text().splitlines()
    return "\n".join(line.partition("]")[2] for line in lines)


def succeeds(pod: subprocess.Popen[str]) -> str:
    """Wait for a pod that must end well; gives what it wrote to stderr."""
    _out, err = pod.communicate(timeout=600)
    assert pod.returncode == 0, err
    return err


@pytest.mark.slow
def test_a_killed_step_is_attempt_0_and_the_next_pod_is_attempt_1(held: SmallKubeflow) -> None:
    pod = start(held, attempt=0, until=1)
    os.kill(step_process(held), signal.SIGKILL)
    _out, err = pod.communicate(timeout=600)
    assert pod.returncode == 128 + signal.SIGKILL
    assert err.splitlines()[-1] == "HeldFlow/kfp-0a1b2c3d-run/start/t-start, attempt 0: ended by SIGKILL"
    assert log(held, "stdout", 0) == "working"
    assert "SIGKILL" in log(held, "stderr", 0)

    succeeds(start(held, attempt=1, until=1))

    (_parameters, first) = sorted(tasks("HeldFlow", held.root, f"kfp-{held.run}").items())
    assert first[0] == ("start", ())
    assert first[1].attempt == first[1].artifacts["made_in"] == 1


@pytest.mark.slow
def test_a_pod_that_is_told_to_stop_stores_its_logs_and_the_next_one_goes_on(held: SmallKubeflow) -> None:
    pod = start(held, attempt=0, until=1)
    step_process(held)
    pod.terminate()
    _out, err = pod.communicate(timeout=30)
    assert pod.returncode == 128 + signal.SIGTERM
    assert err.splitlines()[-1].endswith("attempt 0: the pod was told to stop")
    assert log(held, "stdout", 0) == "working"

    succeeds(start(held, attempt=0, until=1))

    assert tasks("HeldFlow", held.root, f"kfp-{held.run}")["start", ()].attempt == 1


@pytest.mark.slow
def test_a_step_that_does_not_heed_the_stop_is_killed_within_the_grace_of_a_pod(held: SmallKubeflow) -> None:
    pod = start(held, attempt=0, until=1, DEAF="yes")
    step_process(held)
    pod.terminate()
    pod.communicate(timeout=25)
    assert pod.returncode == 128 + signal.SIGTERM
    assert log(held, "stdout", 0) == "working"


@pytest.mark.slow
def test_a_pod_that_vanished_counts_as_an_attempt_though_nobody_says_so(held: SmallKubeflow) -> None:
    pod = start(held, attempt=0, until=1)
    process = step_process(held)
    pod.kill()
    os.kill(process, signal.SIGKILL)
    pod.communicate(timeout=30)

    succeeds(start(held, attempt=0, until=1))

    assert tasks("HeldFlow", held.root, f"kfp-{held.run}")["start", ()].attempt == 1


@pytest.mark.slow
def test_a_task_has_no_more_attempts_than_metaflow_keeps(held: SmallKubeflow) -> None:
    pod = start(held, attempt=6, until=0)
    _out, err = pod.communicate(timeout=600)
    assert pod.returncode == 1
    assert "Metaflow keeps 6 attempts of a task and all are used. Start a new run." in err.splitlines()[-1]


@pytest.mark.slow
def test_a_task_that_ended_well_is_not_run_again_and_its_splits_are_written_again(tmp_path: Path) -> None:
    run = SmallKubeflow(describe(FLOWS / "foreach_body_flow.py", tmp_path), tmp_path)
    succeeds(run.pod("start"))
    before = tasks("ForeachBodyFlow", tmp_path, f"kfp-{run.run}")
    splits = run.splits_file("start", ())
    assert json.loads(splits.read_text()) == ["0", "1", "2"]
    splits.unlink()

    err = succeeds(run.pod("start"))

    assert "ended well in attempt 0, not run again" in err
    assert json.loads(splits.read_text()) == ["0", "1", "2"]
    assert tasks("ForeachBodyFlow", tmp_path, f"kfp-{run.run}") == before


@pytest.mark.slow
def test_a_wrong_parameter_fails_the_first_step_before_it_runs(tmp_path: Path) -> None:
    run = SmallKubeflow(describe(FLOWS / "parameters_flow.py", tmp_path), tmp_path, parameters={"epochs": "many"})
    pod = run.pod("start")
    _out, err = pod.communicate(timeout=600)
    assert pod.returncode != 0
    assert "many" in err.splitlines()[-1]
    assert not tasks("ParametersFlow", tmp_path, f"kfp-{run.run}")


OTHER_WAY = '''
from metaflow import FlowSpec, step

class OtherWayFlow(FlowSpec):
    """Skips a step that its graph does not let it skip."""

    @step
    def start(self):
        self.kept = 1
        if self.kept:
            self.next(self.end)
            return
        self.next(self.middle)

    @step
    def middle(self):
        self.next(self.end)

    @step
    def end(self):
        pass

if __name__ == "__main__":
    OtherWayFlow()
'''


@pytest.mark.slow
def test_a_step_that_goes_another_way_than_its_graph_fails(tmp_path: Path) -> None:
    (tmp_path / "other_way_flow.py").write_text(OTHER_WAY)
    run = SmallKubeflow(describe(tmp_path / "other_way_flow.py", tmp_path), tmp_path, flows=tmp_path)
    pod = run.pod("start")
    _out, err = pod.communicate(timeout=600)
    assert pod.returncode == 1
    assert "step start: goes on to end, but was deployed to go on to middle." in err.splitlines()[-1]


LEAVING = '''
import os, sys
from metaflow import FlowSpec, step

class LeavingFlow(FlowSpec):
    """Ends its process in the middle of a step, as the main functions of some libraries do."""

    @step
    def start(self):
        self.half = 1
        {start}
        self.whole = 2
        self.next(self.end)

    @step
    def end(self):
        {end}

if __name__ == "__main__":
    LeavingFlow()
'''


@pytest.mark.slow
@pytest.mark.parametrize("leave", ["sys.exit(0)", "os._exit(0)"])
@pytest.mark.parametrize("leaving", ["start", "end"])
def test_a_step_that_leaves_its_process_before_its_end_has_failed(leaving: str, leave: str, tmp_path: Path) -> None:
    (tmp_path / "leaving_flow.py").write_text(LEAVING.format(**{"start": "pass", "end": "pass", leaving: leave}))
    run = SmallKubeflow(describe(tmp_path / "leaving_flow.py", tmp_path), tmp_path, flows=tmp_path)
    pod = run.container(["start,end"])
    _out, err = pod.communicate(timeout=600)
    assert pod.returncode == 1
    assert err.splitlines()[-1].endswith("attempt 0: its process ended with exit code 0 before the step did")
    if leaving == "start":
        assert not any(step == "end" for step, _ in tasks("LeavingFlow", tmp_path, f"kfp-{run.run}"))


LOOP = '''
from metaflow import FlowSpec, retry, step

class LoopFlow(FlowSpec):
    """Its only round fails, however often it is tried."""

    @step
    def start(self):
        self.next(self.loop)

    @retry(times=1, minutes_between_retries=0)
    @step
    def loop(self):
        self.state = "end"
        if self.state:
            raise ValueError("there is no more milk")
        self.next({"again": self.loop, "end": self.end}, condition="state")

    @step
    def end(self):
        pass

if __name__ == "__main__":
    LoopFlow()
'''


@pytest.mark.slow
def test_a_pod_that_finds_all_attempts_of_a_round_used_up_says_why_the_last_one_failed(tmp_path: Path) -> None:
    (tmp_path / "loop_flow.py").write_text(LOOP)
    run = SmallKubeflow(describe(tmp_path / "loop_flow.py", tmp_path), tmp_path, flows=tmp_path)
    succeeds(run.pod("start"))
    said = []
    for attempt in range(2):
        pod = run.pod("loop", (), attempt)
        _out, err = pod.communicate(timeout=600)
        assert pod.returncode == 1
        said.append(err.splitlines()[-1])
    last = "LoopFlow/kfp-0a1b2c3d-run/loop/t-loop, attempt 1: ValueError: there is no more milk"
    assert said == [last, last]


DRIVER = """
import sys
from pathlib import Path
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.pod import process
logs = process.Logs(Path(sys.argv[1]), save=lambda files: True)
try:
    ended = process.run(sys.argv[3:], logs, stop := process.Stop(), float(sys.argv[2]))
except process.BecomeCommand as command:
    command.run()
print(ended.code, stop.timed_out, ended.reason)
"""


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        pytest.param(
            "import sys; print('last words', file=sys.stderr); sys.exit(3)", "3 False last words", id="exit code"
        ),
        pytest.param("import signal\nwhile True: signal.pause()", "137 True", id="time limit", marks=pytest.mark.slow),
        pytest.param(
            "raise ValueError('broken')", "1 False ValueError: broken", id="exception", marks=pytest.mark.slow
        ),
        pytest.param(
            "import os, sys; sys.stderr.write('no newline'); sys.stderr.flush(); os.abort()",
            "134 False no newline",
            id="signal",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "import sys; assert sys.argv[1:] == [] and __name__ == '__main__' and __file__.startswith('/')",
            "0 False",
            id="as python runs a file",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_how_a_command_ended(text: str, wanted: str, tmp_path: Path) -> None:
    (tmp_path / "command.py").write_text(text)
    done = subprocess.run(
        [sys.executable, "-uc", DRIVER, str(tmp_path / "logs"), "1" if "pause" in text else "60", "command.py"],
        cwd=tmp_path,
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=600,
        check=True,
    )
    assert done.stdout.splitlines()[-1].rstrip() == wanted


@pytest.mark.slow
def test_no_thread_is_left_where_a_command_leaves_a_daemon_that_holds_its_output(tmp_path: Path) -> None:
    """The next command is a fork, and what a thread has locked then stays locked in it."""
    os.mkfifo(tmp_path / "fifo")
    left = "subprocess.Popen(['cat', 'fifo'], start_new_session=True)"
    (tmp_path / "command.py").write_text(f"import subprocess; {left}; print('told')")
    counted = f"{DRIVER}\nimport threading\nprint(threading.active_count())\n"
    done = subprocess.run(
        [sys.executable, "-uc", counted, str(tmp_path / "logs"), "60", "command.py"],
        cwd=tmp_path,
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=600,
        check=True,
    )
    (tmp_path / "fifo").write_text("the daemon may go")
    assert done.stdout.splitlines() == ["told", "0 False ", "1"]
