"""`logs` as a user types it: Metaflow's stored logs, and what Kubeflow says where there are none."""

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from bridge.tests.lib.commands import command
from bridge.tests.lib.kubeflow import Kubeflow
from bridge.tests.lib.sources import ending
from bridge.tests.pod.small_kubeflow import SmallKubeflow, describe
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.logs import Place
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.logs import tasks as shown_tasks
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.refusals import Refused
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.server import Server

FLOW = """import sys
from metaflow import FlowSpec, step


class WordyFlow(FlowSpec):
    @step
    def start(self):
        self.items = list(range(11))
        self.next(self.work, foreach="items")

    @step
    def work(self):
        print("out of", self.input)
        print("err of", self.input, file=sys.stderr)
        self.next(self.join)

    @step
    def join(self, inputs):
        self.next(self.end)

""" + ending("WordyFlow")
CLIMB = """from metaflow import FlowSpec, step


class WordyFlow(FlowSpec):
    @step
    def start(self):
        self.round = 0
        self.next(self.climb)

    @step
    def climb(self):
        print(f"round {self.round}")
        self.round += 1
        self.again = "yes" if self.round < 3 else "no"
        self.next({"yes": self.climb, "no": self.end}, condition="again")

""" + ending("WordyFlow")
UNREADY = """import os
from metaflow import FlowSpec, step

if "UNREADY" in os.environ:
    import no_such_package


class WordyFlow(FlowSpec):
    @step
    def start(self):
        self.next(self.end)

""" + ending("WordyFlow")
RUN = "kfp-run-1"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The flow, and a run of it whose splits 2 and 10 have run."""
    return with_run(tmp_path_factory.mktemp("wordy"), FLOW, ("start", ()), ("work", (10,)), ("work", (2,)))


def with_run(root: Path, text: str, *tasks: tuple[str, tuple[int, ...]]) -> Path:
    """The folder with a flow in it, and a run of these tasks."""
    flow = root / "wordy_flow.py"
    flow.write_text(text)
    run = SmallKubeflow(describe(flow, root), root, run="run-1", flows=root)
    for step, path in tasks:
        pod = run.pod(step, path)
        _out, err = pod.communicate(timeout=120)
        assert pod.returncode == 0, err
    return root


@pytest.fixture
def kubeflow(kubeflow: Kubeflow) -> Kubeflow:
    server = Server(kubeflow.url)
    made = server.create_pipeline("wordyflow", "Metaflow flow WordyFlow")
    version = server.upload_version(made, "v1", "{}", "")
    server.start_run(made, version, "name", {}, "Default")
    kubeflow.runs["run-1"]["state"] = "FAILED"
    return kubeflow


def logs(folder: Path, kubeflow: Kubeflow, *words: str) -> subprocess.CompletedProcess[str]:
    return command(
        folder / "wordy_flow.py",
        "--quiet",
        "kubeflow-pipelines",
        "--url",
        kubeflow.url,
        "logs",
        RUN,
        *words,
        settings={"METAFLOW_DATASTORE_SYSROOT_LOCAL": str(folder), "METAFLOW_DEFAULT_DATASTORE": "local"},
    )


def pod_that_waits(where: str) -> dict[str, str]:
    return {
        "name": f"wf-1.root.{where}",
        "type": "Pod",
        "phase": "Pending",
        "message": "ImagePullBackOff: Back-off pulling image",
        "templateName": "system-container-impl",
    }


def test_a_place_is_a_step_and_indexes() -> None:
    assert Place.parse("train/3/0") == Place("train", (3, 0))
    assert Place.parse("train").holds("train", (1, 2))
    assert not Place.parse("train/1").holds("train", (0,))
    assert Place.parse("climb/1-r2") == Place("climb", (1,), 2)
    assert Place.parse("climb-r0").holds("climb", (4,), 0)
    assert not Place.parse("climb-r0").holds("climb", (4,), 1)
    with pytest.raises(Refused, match="is not of the form STEP/INDEX/INDEX-rROUND"):
        Place.parse("train/x")


@dataclass(frozen=True)
class Stored:
    """A task as Metaflow's datastore gives it."""

    step_name: str
    task_id: str
    pathspec: str = ""
    attempt: int = 0


class Datastore:
    """Tasks that have begun, in the order of a listing."""

    NAMES = (
        *("t-climb-1-r10", "t-climb-1", "t-climb-0", "t-climb-1-r2", "t-climb-0-r1", "t-climb-10-r2"),
        *("worker-t-gang-3-10", "worker-t-gang-3-2", "control-t-gang-3-0", "t-_parameters"),
    )

    def get_task_datastores(self, run: str, steps: list[str] | None, allow_not_done: bool) -> list[Stored]:
        found = [Stored(re.split("t-(_?[a-z]+)", name)[1], name) for name in self.NAMES]
        return [task for task in found if steps is None or task.step_name in steps]


@pytest.mark.parametrize(
    ("place", "wanted"),
    [
        ("climb", "climb-0 climb-0-r1 climb-1 climb-1-r2 climb-1-r10 climb-10-r2"),
        ("climb/1", "climb-1 climb-1-r2 climb-1-r10"),
        ("climb/1-r2", "climb-1-r2"),
        ("climb-r2", "climb-1-r2 climb-10-r2"),
        ("climb-r0", "climb-0 climb-1"),
        ("gang/3", "control:gang-3-0 worker:gang-3-2 worker:gang-3-10"),
    ],
)
def test_rounds_and_nodes_are_found_and_stand_in_their_order(place: str, wanted: str) -> None:
    found = shown_tasks(Datastore(), "kfp-1", ["climb", "gang"], Place.parse(place), None)
    names = [
        f"{role}-t-{task}" if task else f"t-{role}" for role, _, task in (w.partition(":") for w in wanted.split())
    ]
    assert [task.task for task in found] == names


def test_all_tasks_stand_in_the_order_of_the_flow() -> None:
    found = shown_tasks(Datastore(), "kfp-1", ["gang", "climb"], None, None)
    assert [task.step for task in found] == ["gang"] * 3 + ["climb"] * 6


@pytest.mark.slow
def test_the_tasks_of_a_step_are_shown_in_the_order_of_their_indexes(folder: Path, kubeflow: Kubeflow) -> None:
    done = logs(folder, kubeflow, "work", "--stdout")
    assert (done.returncode, done.stdout) == (0, "out of 2\nout of 10\n"), done.stderr


@pytest.mark.slow
def test_one_task_is_shown_by_its_index_and_not_those_that_begin_like_it(folder: Path, kubeflow: Kubeflow) -> None:
    done = logs(folder, kubeflow, "work/10", "--stderr", "--timestamps")
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} err of 10\n", done.stdout), done.stdout
    assert logs(folder, kubeflow, "work/1").returncode == 2


@pytest.mark.slow
def test_all_rounds_are_shown_or_the_one_asked_for(tmp_path: Path, kubeflow: Kubeflow) -> None:
    folder = with_run(tmp_path, CLIMB, ("start", ()), ("climb", ()))
    assert logs(folder, kubeflow, "climb").stdout.splitlines() == ["round 0", "round 1", "round 2"]
    assert logs(folder, kubeflow, "climb-r2").stdout == "round 2\n"


@pytest.mark.slow
def test_of_a_pod_that_never_ran_the_reason_is_shown(folder: Path, kubeflow: Kubeflow) -> None:
    nodes = {"n": pod_that_waits("work.iteration-iterations(3:3).iteration-item.executor")}
    kubeflow.workflows["run-1"] = {"metadata": {"name": "wf-1"}, "status": {"nodes": nodes}}
    done = logs(folder, kubeflow, "work/3")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("work[3]: its image cannot be pulled")
    missing = logs(folder, kubeflow, "join")
    assert missing.returncode == 2
    assert "no task of join has begun" in missing.stderr


@pytest.mark.slow
def test_what_failed_before_metaflow_began_it_shows_what_the_runner_stored(tmp_path: Path, kubeflow: Kubeflow) -> None:
    folder = with_run(tmp_path, UNREADY)
    run = SmallKubeflow(describe(folder / "wordy_flow.py", folder), folder, run="run-1", flows=folder)
    pod = run.pod("start", UNREADY="yes")
    _out, err = pod.communicate(timeout=120)
    assert pod.returncode != 0 and "no_such_package" in err
    failed = {"type": "Pod", "phase": "Failed", "message": "main: Error (exit code 1)", "name": "wf-1.root.start"}
    kubeflow.workflows["run-1"] = {"metadata": {"name": "wf-1"}, "status": {"nodes": {"n": failed}}}
    for words in (("start",), ("start", "--attempt", "0"), ()):
        done = logs(folder, kubeflow, *words)
        assert (done.returncode, done.stdout.count("No module named 'no_such_package'")) == (0, 1), done.stdout
    assert logs(folder, kubeflow, "start", "--follow").stdout.count("t-start ModuleNotFoundError") == 1
    assert "exit code 1" in logs(folder, kubeflow, "start", "--attempt", "1").stdout


@pytest.mark.slow
def test_following_an_ended_run_shows_every_line_once_behind_its_task(folder: Path, kubeflow: Kubeflow) -> None:
    done = logs(folder, kubeflow, "work", "--follow")
    assert done.returncode == 0, done.stderr
    assert sorted(done.stdout.splitlines()) == sorted(
        f"t-work-{index} {stream} of {index}" for index in (2, 10) for stream in ("out", "err")
    )
