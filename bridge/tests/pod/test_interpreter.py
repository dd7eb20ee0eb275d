"""A step with an interpreter of its own: Metaflow's commands are run once in its pod, and what they export is kept."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from bridge.tests.pod.small_kubeflow import FLOWS, SmallKubeflow, describe, differences, run_locally, tasks
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.pod.interpreter import Interpreter
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.pod.variables import Variables

COMMANDS = (
    "echo 'Making the environment'",
    "flush_mflogs",
    f"export OUR_PYTHON={sys.executable} FOR_THE_STEP='two words'",
)


def kubeflow(tmp_path: Path, interpreter: str, *commands: str) -> SmallKubeflow:
    deployment = describe(FLOWS / "linear_flow.py", tmp_path)
    steps = {
        name: replace(record, interpreter=interpreter, bootstrap=commands) for name, record in deployment.steps.items()
    }
    return SmallKubeflow(replace(deployment, steps=steps), tmp_path)


@pytest.mark.slow
def test_the_interpreter_that_the_commands_made_runs_parameters_and_step(tmp_path: Path) -> None:
    run = kubeflow(tmp_path, "$OUR_PYTHON -s", *COMMANDS)
    pod = run.pod("start")
    out, err = pod.communicate(timeout=600)
    assert pod.returncode == 0, err
    assert out.count("Making the environment") == 1
    (start,) = (
        task
        for (name, _), task in tasks(run.deployment.flow_name, tmp_path, f"kfp-{run.run}").items()
        if name == "start"
    )
    assert start.attempt == 0


@pytest.mark.slow
def test_an_environment_that_cannot_be_made_fails_the_attempt_with_its_words(tmp_path: Path) -> None:
    run = kubeflow(tmp_path, "$OUR_PYTHON", "echo 'no package called pandass' >&2", "false", *COMMANDS)
    pod = run.pod("start")
    _, err = pod.communicate(timeout=600)
    assert pod.returncode == 1
    assert err.splitlines()[-1].endswith("attempt 0: no package called pandass")


@pytest.mark.slow
def test_an_interpreter_that_is_not_there_fails_the_attempt_with_its_name(tmp_path: Path) -> None:
    run = kubeflow(tmp_path, "/opt/nowhere/bin/python")
    pod = run.pod("start")
    _, err = pod.communicate(timeout=600)
    assert pod.returncode == 127
    assert "/opt/nowhere/bin/python" in err.splitlines()[-1]


EARLY = '''
import time
from metaflow import FlowSpec, environment, step

class EarlyFlow(FlowSpec):
    """Its first step has variables that Python and the C library read when a process begins."""

    @environment(vars={{"TZ": "Asia/Tokyo", "PYTHONHASHSEED": "7", "PYTHONPATH": "{there}"}})
    @step
    def start(self):
        from only_there import WORD

        self.seen = (time.localtime(0).tm_hour, time.tzname, hash("metaflow"), WORD)
        self.next(self.end)

    @step
    def end(self):
        self.hour = time.localtime(0).tm_hour

if __name__ == "__main__":
    EarlyFlow()
'''


@pytest.mark.slow
def test_variables_that_are_read_when_a_process_begins_are_read_by_their_step_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = tmp_path / "there"
    there.mkdir()
    (there / "only_there.py").write_text("WORD = 'found'")
    file = tmp_path / "early_flow.py"
    file.write_text(EARLY.format(there=there))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "code"))
    run = SmallKubeflow(describe(file, tmp_path), tmp_path, flows=tmp_path)
    pod = run.container(["start,end"])
    _, err = pod.communicate(timeout=600)
    assert pod.returncode == 0, err
    found = tasks("EarlyFlow", tmp_path, f"kfp-{run.run}")
    assert found["start", ()].artifacts["seen"][0] == 9
    assert differences(tasks("EarlyFlow", tmp_path, run_locally(file, tmp_path)), found) == []


SAYING = """\
import json, pathlib, sys
import beside
there = pathlib.Path(sys.modules["__main__"].__file__)
print(json.dumps([sys.argv, str(there), beside.WORD, __name__]))
"""


@pytest.mark.parametrize("executable", [None, f"{sys.executable} -s"], ids=["the container's", "its own"])
def test_a_command_line_reaches_the_flows_file_whatever_is_in_it(executable: str | None, tmp_path: Path) -> None:
    (tmp_path / "saying.py").write_text(SAYING)
    (tmp_path / "beside.py").write_text("WORD = 'found'")
    argv = [str(tmp_path / "saying.py"), f"--big={'x' * 300_000}", "--odd='\"$(false)\n\udc80"]
    program = Interpreter(executable, (), tmp_path).program(argv)
    said = subprocess.run(program, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert json.loads(said) == [argv, argv[0], "found", "__main__"]


def test_the_containers_own_python_needs_no_shell(tmp_path: Path) -> None:
    (tmp_path / "said.py").write_text("print('here')")
    program = Interpreter(None, (), tmp_path).program([str(tmp_path / "said.py")])
    said = subprocess.run(program, env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=True).stdout
    assert said == "here\n"


@pytest.mark.parametrize(
    ("name", "own"),
    [
        ("TZ", True), ("LANG", True), ("LC_ALL", True), ("PYTHONHASHSEED", True), ("LD_PRELOAD", True),
        ("LANGCHAIN_PROJECT", False), ("PYTHONUNBUFFERED", False), ("TZ_OF_THE_CUSTOMER", False),
    ],
)  # fmt: skip
def test_what_only_a_new_process_reads_is_known_by_name(name: str, own: bool, tmp_path: Path) -> None:
    start = describe(FLOWS / "linear_flow.py", tmp_path).steps["start"]
    found = Interpreter.of(replace(start, environment={name: "x"}), tmp_path)
    assert (found is not None) == own


def test_a_steps_own_modules_come_behind_the_code_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deployment = describe(FLOWS / "linear_flow.py", tmp_path)
    steps = {name: replace(record, environment={}) for name, record in deployment.steps.items()}
    steps["start"] = replace(steps["start"], environment={"PYTHONPATH": "/own"})
    monkeypatch.setenv("PYTHONPATH", "/code")
    entered = Variables(replace(deployment, steps=steps), "kfp-1")
    entered.enter("start")
    assert os.environ["PYTHONPATH"] == "/code:/own"
    entered.enter("end")
    assert os.environ["PYTHONPATH"] == "/code"


def test_what_the_commands_export_replaces_nothing_that_the_shell_sets_for_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PWD", "/here")
    interpreter = Interpreter("python", ("true", str(tmp_path)), tmp_path)
    assert interpreter.setup() is not None
    (tmp_path / "exported").write_bytes(b"PWD=/there\0PATH=/env/bin\0TEXT=a=b\nc\0")
    monkeypatch.setenv("PATH", "/usr/bin")
    monkeypatch.setenv("TEXT", "")
    interpreter.take_over()
    assert interpreter.setup() is None, "the commands run once in a pod"
    assert (os.environ["PWD"], os.environ["PATH"], os.environ["TEXT"]) == ("/here", "/env/bin", "a=b\nc")
