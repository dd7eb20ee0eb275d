"""A run that resumes another: what ended well is taken over, the rest runs."""

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bridge.tests.pod.small_kubeflow import PipelineFailed, SmallKubeflow, describe, run_locally, tasks
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.pod.internal import _wanted
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.pod.origin import Origin, steps_to_rerun

FLOW = '''
import os
from metaflow import FlowSpec, Parameter, current, step

class MendedFlow(FlowSpec):
    """One split of its foreach fails as long as the file `mended` is not there."""

    base = Parameter("base", type=int, default=1)

    @step
    def start(self):
        self.made_in = current.run_id
        self.next(self.fan)

    @step
    def fan(self):
        self.items = [self.base, self.base + 1]
        self.next(self.work, foreach="items")

    @step
    def work(self):
        if self.index == 1 and not os.path.exists(os.environ["MENDED"]):
            raise ValueError("not yet mended")
        self.worked_in = current.run_id
        self.result = self.input * 10
        self.next(self.join)

    @step
    def join(self, inputs):
        self.results = [each.result for each in inputs]
        self.worked_in = [each.worked_in for each in inputs]
        self.next(self.end)

    @step
    def end(self):
        self.origin = current.origin_run_id

if __name__ == "__main__":
    MendedFlow()
'''
GANG = """
import os
from metaflow import FlowSpec, current, parallel, step

class MendedFlow(FlowSpec):
    @step
    def start(self):
        self.next(self.train, num_parallel=2)

    @parallel
    @step
    def train(self):
        self.worked_in = current.run_id
        if current.parallel.node_index == 1 and os.environ["FAILS"] == "node":
            raise ValueError("not yet mended")
        self.next(self.join)

    @step
    def join(self, inputs):
        if os.environ["FAILS"] == "join":
            raise ValueError("not yet mended")
        self.worked_in = [each.worked_in for each in inputs]
        self.next(self.end)

    @step
    def end(self):
        pass

if __name__ == "__main__":
    MendedFlow()
"""
OLD, NEW = "kfp-old", "kfp-new"


def run_of(root: Path, run: str, origin: Origin | None = None, base: int | None = None) -> SmallKubeflow:
    (root / "mended_flow.py").write_text(FLOW)
    return SmallKubeflow(
        describe(root / "mended_flow.py", root),
        root,
        run=run,
        parameters={} if base is None else {"base": base},
        flows=root,
        origin=origin,
        variables={"MENDED": str(root / "mended")},
    )


def metadata(root: Path, step: str, task: str) -> dict[str, str]:
    """What the new run's task has in its metadata of the run it came from."""
    folder = root / ".metaflow" / "MendedFlow" / NEW / step / task / "_meta"
    found = [json.loads(file.read_text()) for file in folder.glob("*_origin-*.json")]
    return {each["field_name"]: each["value"] for each in found}


def test_a_step_to_rerun_takes_all_that_follow_with_it() -> None:
    following = {"start": ["a", "b"], "a": ["join"], "b": ["join"], "join": ["end"], "end": []}
    assert steps_to_rerun(following, "a") == {"a", "join", "end"}
    assert steps_to_rerun(following, None) == frozenset()
    assert steps_to_rerun({"start": ["loop"], "loop": ["loop", "end"], "end": []}, "loop") == {"loop", "end"}


def test_an_origin_is_read_back_from_its_text() -> None:
    origin = Origin("kfp-1", "train")
    assert Origin.from_text(origin.to_text()) == origin
    assert Origin.from_text("") is None


@dataclass(frozen=True)
class Ended:
    """A task of a @parallel step that ended well, as Metaflow's datastore gives it."""

    task_id: str
    node: int
    control: bool = False
    step_name: str = "train"

    def __getitem__(self, name: str) -> Any:
        assert name == "_foreach_stack"
        return [SimpleNamespace(index=self.node)]

    def get(self, name: str, default: Any = None) -> Any:
        return ["one", "two"] if self.control and name == "_control_mapper_tasks" else default


class GangGraph:
    """The graph of a flow whose step start makes a gang of train."""

    nodes: Mapping[str, Any] = {
        "start": SimpleNamespace(name="start", out_funcs=["train"], type="foreach", split_parents=[]),
        "train": SimpleNamespace(
            name="train", out_funcs=["join"], type="linear", split_parents=["start"], parallel_step=True
        ),
        "join": SimpleNamespace(name="join", out_funcs=[], type="join", split_parents=["start"], parallel_step=False),
    }

    def __iter__(self) -> Iterator[Any]:
        return iter(self.nodes.values())

    def __contains__(self, name: str) -> bool:
        return name in self.nodes

    def __getitem__(self, name: str) -> Any:
        return self.nodes[name]


@pytest.mark.parametrize(
    ("origin", "ended", "wanted"),
    [
        (
            "kfp-old",
            [Ended("worker-t-train-0", 1), Ended("control-t-train-0", 0, control=True)],
            ["worker-t-train-0", "control-t-train-0"],
        ),
        (
            "1795",
            [Ended("control-start-3", 0, control=True), Ended("5_node_1", 1)],
            ["control-t-train-0", "worker-t-train-0"],
        ),
        ("kfp-old", [Ended("control-t-train-0", 0, control=True)], []),
        ("kfp-old", [Ended("worker-t-train-0", 1)], []),
    ],
    ids=["all nodes", "of a laptop", "a worker failed", "the control task failed"],
)
def test_a_gang_is_taken_over_as_a_whole(origin: str, ended: list[Ended], wanted: list[str]) -> None:
    assert [name for _, name in _wanted(GangGraph(), ended, Origin(origin))] == wanted
    assert list(_wanted(GangGraph(), ended, Origin(origin, "train"))) == []


def run_of_gang(root: Path, run: str, fails: str, origin: Origin | None = None) -> SmallKubeflow:
    (root / "mended_flow.py").write_text(GANG)
    deployment = describe(root / "mended_flow.py", root)
    return SmallKubeflow(deployment, root, run=run, flows=root, origin=origin, variables={"FAILS": fails})


@pytest.mark.slow
@pytest.mark.parametrize(("fails", "wanted"), [("join", [OLD, OLD]), ("node", [NEW, NEW])])
def test_a_run_with_a_gang_is_resumed(fails: str, wanted: list[str], tmp_path: Path) -> None:
    with pytest.raises(PipelineFailed):
        run_of_gang(tmp_path, "old", fails).execute()
    run_of_gang(tmp_path, "new", "nowhere", Origin(OLD)).execute()
    seen = tasks("MendedFlow", tmp_path, NEW)
    assert seen["join", ()].artifacts["worked_in"] == wanted
    assert {task.attempt for task in seen.values()} == {0}


@pytest.mark.slow
def test_a_failed_run_is_resumed_where_it_failed(tmp_path: Path) -> None:
    with pytest.raises(PipelineFailed, match="not yet mended"):
        run_of(tmp_path, "old", base=3).execute()
    (tmp_path / "mended").touch()
    resumed = run_of(tmp_path, "new", Origin(OLD))
    resumed.execute()
    seen = tasks("MendedFlow", tmp_path, NEW)
    assert seen["end", ()].artifacts["results"] == [30, 40]
    assert seen["end", ()].artifacts["worked_in"] == [OLD, NEW]
    assert seen["work", (1,)].artifacts["made_in"] == OLD
    assert seen["end", ()].artifacts["origin"] == OLD
    assert metadata(tmp_path, "work", "t-work-0") == {"origin-run-id": OLD, "origin-task-id": "t-work-0"}
    assert metadata(tmp_path, "work", "t-work-1") == {"origin-run-id": OLD}
    assert {task.attempt for task in seen.values()} == {0}
    assert resumed.left_over() == []


@pytest.mark.slow
def test_a_flow_that_only_its_own_interpreter_can_import_is_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "own"
    own.mkdir()
    (own / "only_in_own.py").touch()

    def with_own_interpreter(run: str, origin: Origin | None = None) -> SmallKubeflow:
        monkeypatch.syspath_prepend(str(own))
        monkeypatch.setattr(f"{__name__}.FLOW", "import only_in_own\n" + FLOW.removeprefix("import only_in_own\n"))
        kubeflow = run_of(tmp_path, run, origin, base=None if origin else 3)
        how = f"env PYTHONPATH={own} MADE=$MADE {sys.executable}"
        steps = {
            name: replace(record, interpreter=how, bootstrap=("export MADE=here",))
            for name, record in kubeflow.deployment.steps.items()
        }
        kubeflow.deployment = replace(kubeflow.deployment, steps=steps)
        return kubeflow

    with pytest.raises(PipelineFailed, match="not yet mended"):
        with_own_interpreter("old").execute()
    (tmp_path / "mended").touch()
    with_own_interpreter("new", Origin(OLD)).execute()
    assert tasks("MendedFlow", tmp_path, NEW)["end", ()].artifacts["worked_in"] == [OLD, NEW]


@pytest.mark.slow
def test_from_a_named_step_on_everything_runs_again(tmp_path: Path) -> None:
    (tmp_path / "mended").touch()
    run_of(tmp_path, "old", base=3).execute()
    run_of(tmp_path, "new", Origin(OLD, "work")).execute()
    seen = tasks("MendedFlow", tmp_path, NEW)
    assert seen["end", ()].artifacts["worked_in"] == [NEW, NEW]
    assert seen["fan", ()].artifacts["items"] == [3, 4]
    assert seen["fan", ()].artifacts["made_in"] == OLD
    assert "origin-task-id" in metadata(tmp_path, "fan", "t-fan")
    assert "origin-task-id" not in metadata(tmp_path, "end", "t-end")


@pytest.mark.slow
def test_a_run_of_a_laptop_is_resumed_by_the_places_of_its_tasks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mended").touch()
    monkeypatch.setenv("MENDED", str(tmp_path / "mended"))
    run_of(tmp_path, "unused")
    local = run_locally(tmp_path / "mended_flow.py", tmp_path, "--base", "5")
    run_of(tmp_path, "new", Origin(local, "join")).execute()
    seen = tasks("MendedFlow", tmp_path, NEW)
    assert seen["end", ()].artifacts["results"] == [50, 60]
    assert seen["end", ()].artifacts["worked_in"] == [local, local]
    assert seen["work", (1,)].task == "t-work-1"
    assert metadata(tmp_path, "work", "t-work-1")["origin-run-id"] == local


@pytest.mark.slow
def test_a_run_that_never_began_cannot_be_resumed(tmp_path: Path) -> None:
    resumed = run_of(tmp_path, "new", Origin("kfp-nowhere"))
    pod = resumed.pod("start")
    _out, err = pod.communicate(timeout=600)
    assert pod.returncode == 1
    said = "run kfp-nowhere cannot be taken over: Nothing to resume: run kfp-nowhere of flow MendedFlow never began."
    assert said in err.splitlines()[-1]
    assert tasks("MendedFlow", tmp_path, NEW) == {}
    assert resumed.left_over() == []
