"""Ways that are chosen anew: the real runner tells the pipeline where a run has arrived."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bridge.tests.lib.interpreter import Interpreter, PipelineError
from bridge.tests.lib.walks import compiled, flow_of
from bridge.tests.pod.small_kubeflow import FLOWS, SmallKubeflow, describe, differences, load, run_locally, tasks
from bridge.tests.pod.test_inputs import TURNS, ways
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.pod import work
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.pod.inputs import TaskPlace
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.pod.outputs import Failure
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.pod.variables import Variables

ASTRAY = """from metaflow import FlowSpec, step


class AstrayFlow(FlowSpec):
    @step
    def start(self):
        self.items = ["a", "b"]
        self.next(self.look, foreach="items")

    @step
    def look(self):
        self.way = self.input
        self.next({"a": self.a, "b": self.b}, condition="way")

    @step
    def a(self):
        self.next(self.join_a)

    @step
    def b(self):
        self.next(self.join_b)

    @step
    def join_a(self, inputs):
        self.next(self.end)

    @step
    def join_b(self, inputs):
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    AstrayFlow()
"""


def tell(monkeypatch: pytest.MonkeyPatch, ran: str, file: Path) -> Failure | None:
    """What the runner does of a container that is to tell where the foreach has ended, after these tasks."""
    monkeypatch.setattr(work, "RunTasks", lambda deployment, run: ways(ran))
    deployment: Any = SimpleNamespace(flow_name="TurnsFlow", steps=TURNS)
    asked = work.Asked(((TaskPlace("start", ()),),), choice_file=file, among=("join_a", "join_b"))
    return work.do(deployment, "kfp-1", asked, Variables(deployment, "kfp-1"))


def test_the_runner_writes_where_the_run_has_arrived(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran = "start>look look/0>b look/1>b b/0>join_b b/1>join_b"
    assert tell(monkeypatch, ran, tmp_path / "out" / "choice") is None
    assert (tmp_path / "out" / "choice").read_text() == "join_b"


def test_the_runner_says_why_there_is_no_such_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failed = tell(monkeypatch, "start>look look/0>a look/1>b a/0>join_a b/1>join_b", tmp_path / "choice")
    assert failed is not None and failed.code == 1
    assert failed.reason.startswith("TurnsFlow/start: the ways from start ended at different joins (join_a, join_b)")
    assert not (tmp_path / "choice").exists()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["several_joins_flow", "shared_steps_flow"])
def test_the_runner_leaves_what_a_local_run_leaves(name: str, tmp_path: Path) -> None:
    here, there, file = tmp_path / "here", tmp_path / "there", FLOWS / f"{name}.py"
    for folder in (here, there):
        folder.mkdir()
    run = SmallKubeflow(describe(file, there), there)
    documents = compiled(flow_of(load(file)._graph), copies=0)
    assert '"told-start"' in documents
    Interpreter(documents, run.start).run()
    flow = run.deployment.flow_name
    assert differences(tasks(flow, here, run_locally(file, here)), tasks(flow, there, f"kfp-{run.run}")) == []


@pytest.mark.slow
def test_splits_that_end_at_different_joins_fail_with_the_reason(tmp_path: Path) -> None:
    file = tmp_path / "astray_flow.py"
    file.write_text(ASTRAY)
    run = SmallKubeflow(describe(file, tmp_path), tmp_path, flows=tmp_path)
    with pytest.raises(PipelineError, match="told-start"):
        Interpreter(compiled(flow_of(load(file)._graph)), run.start).run()
    wanted = "AstrayFlow/start: the ways from start ended at different joins (join_a, join_b), and each waits for all"
    assert run.said[-1].strip().endswith(wanted)
