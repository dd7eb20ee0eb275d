"""Ways that are chosen anew: the real runner tells the pipeline where a run has arrived."""

from pathlib import Path

import pytest

from bridge.tests.lib.interpreter import Interpreter, PipelineError
from bridge.tests.lib.walks import compiled, flow_of
from bridge.tests.pod.small_kubeflow import FLOWS, SmallKubeflow, describe, differences, load, run_locally, tasks

pytestmark = pytest.mark.slow

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


def test_splits_that_end_at_different_joins_fail_with_the_reason(tmp_path: Path) -> None:
    file = tmp_path / "astray_flow.py"
    file.write_text(ASTRAY)
    run = SmallKubeflow(describe(file, tmp_path), tmp_path, flows=tmp_path)
    with pytest.raises(PipelineError, match="told-start"):
        Interpreter(compiled(flow_of(load(file)._graph)), run.start).run()
    wanted = "AstrayFlow/start: the ways from start ended at different joins (join_a, join_b), and each waits for all"
    assert run.said[-1].strip().endswith(wanted)
