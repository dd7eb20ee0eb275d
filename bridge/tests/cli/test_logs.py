"""`logs` as a user types it: Metaflow's stored logs, and what Kubeflow says where there are none."""

import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from metaflow.datastore import FlowDataStore
from metaflow.mflog import TASK_LOG_SOURCE
from metaflow.mflog.mflog import decorate
from metaflow.plugins.datastores.local_storage import LocalStorage

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
        if "RAISES" in os.environ:
            raise ValueError("of the step")
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
        _out, err = pod.communicate(timeout=600)
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


class Asked(LocalStorage):  # type: ignore[misc]  # Metaflow has no types.
    """Metaflow's datastore in a folder, which counts what is asked of it, and lists as that on S3 does."""

    def __init__(self, root: str) -> None:
        super().__init__(root)
        self.look_ups: list[int] = []
        self._listing = False

    def is_file(self, paths: list[str]) -> list[bool]:
        if not self._listing:
            self.look_ups.append(len(paths))
        return list(super().is_file(paths))

    def list_content(self, paths: list[str]) -> list[LocalStorage.list_content_result]:
        self._listing = True
        try:
            return [each._replace(path=f"{each.path}/") for each in super().list_content(paths)]
        finally:
            self._listing = False


class Run:
    """A run whose tasks began, or failed before."""

    def __init__(self, root: Path) -> None:
        self.datastore = FlowDataStore("WordyFlow", storage_impl=Asked, ds_root=str(root))
        self.asked: Asked = self.datastore._storage_impl

    def attempt(self, step: str, task: str, attempt: int, began: bool) -> None:
        """An attempt that left a log, after Metaflow began it or without."""
        writer = self.datastore.get_task_datastore(RUN, step, task, attempt=attempt, mode="w")
        if began:
            writer.init_task()
        said = decorate(TASK_LOG_SOURCE, f"{task} {attempt} {'began' if began else 'never began'}\n".encode())
        writer.save_logs(TASK_LOG_SOURCE, {"stdout": b"", "stderr": said})

    def shown(
        self, *failed: tuple[str, tuple[int, ...]], place: str | None = None, attempt: int | None = None
    ) -> list[str]:
        where = None if place is None else Place.parse(place)
        found = shown_tasks(self.datastore, RUN, ["start", "train", "climb", "gang"], where, attempt, failed)
        return [line.text for task in found for line in task.lines("stderr")]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path)


def attempts(run: Run, step: str, task: str, *began: bool) -> None:
    for number, each in enumerate(began):
        run.attempt(step, task, number, each)


def test_an_attempt_that_never_began_counts_behind_one_that_did(run: Run) -> None:
    attempts(run, "start", "t-start", True, False, False)
    assert run.shown(("start", ())) == ["t-start 2 never began"]
    assert run.shown(("start", ()), attempt=1) == ["t-start 1 never began"]
    assert run.shown(("start", ()), attempt=0) == ["t-start 0 began"]
    assert run.shown() == ["t-start 0 began"]


def test_an_attempt_that_began_counts_behind_one_that_did_not(run: Run) -> None:
    attempts(run, "start", "t-start", False, True)
    assert run.shown(("start", ())) == ["t-start 1 began"]


@pytest.mark.parametrize(
    ("place", "wanted"),
    [
        (None, ["t-climb-4 0 began", "t-climb-4-r1 0 began", "t-climb-4-r2 1 never began"]),
        ("climb/4-r2", ["t-climb-4-r2 1 never began"]),
        ("climb-r1", ["t-climb-4-r1 0 began"]),
        ("climb/5", []),
    ],
)
def test_a_round_that_never_began_is_shown_behind_those_that_did(
    run: Run, place: str | None, wanted: Sequence[str]
) -> None:
    for task in ("t-climb-4", "t-climb-4-r1"):
        attempts(run, "climb", task, True)
    attempts(run, "climb", "t-climb-4-r2", False, False)
    assert run.shown(("climb", (4,)), place=place) == wanted


def test_rounds_in_front_of_the_last_that_began_are_not_asked_for(run: Run) -> None:
    for task in ("t-climb", "t-climb-r1", "t-climb-r2"):
        attempts(run, "climb", task, True)
    attempts(run, "climb", "t-climb-r3", False)
    assert run.shown(("climb", ()))[-1] == "t-climb-r3 0 never began"
    of_round_2, of_round_3 = 5, 6
    assert run.asked.look_ups[-1] == of_round_2 + of_round_3


def test_nodes_of_a_gang_that_never_began_are_shown_beside_those_that_did(run: Run) -> None:
    attempts(run, "gang", "control-t-gang-3-0", True)
    attempts(run, "gang", "worker-t-gang-3-0", False)
    attempts(run, "gang", "worker-t-gang-4-0", False)
    wanted = ["control-t-gang-3-0 0 began", "worker-t-gang-3-0 0 never began"]
    assert run.shown(("gang", (3,))) == wanted


def test_the_datastore_is_asked_once_for_all_that_never_began(run: Run) -> None:
    failed = [("train", (index,)) for index in range(100)]
    for _, (index,) in failed:
        attempts(run, "train", f"t-train-{index}", False)
    attempts(run, "train", "t-train-100", False)
    assert run.shown(*failed) == [f"t-train-{index} 0 never began" for index in range(100)]
    assert len(run.asked.look_ups) == 1
    assert run.shown(*failed, place="train/7") == ["t-train-7 0 never began"]
    assert run.asked.look_ups[1:] == [6]


def test_the_datastore_is_not_asked_where_nothing_was_stored(run: Run) -> None:
    assert run.shown(("train", (0,)), ("start", ())) == []
    assert run.asked.look_ups == []


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
    start_fails(folder, kubeflow, "UNREADY")
    for words in (("start",), ("start", "--attempt", "0"), ()):
        done = logs(folder, kubeflow, *words)
        assert (done.returncode, done.stdout.count("No module named 'no_such_package'")) == (0, 1), done.stdout
    assert logs(folder, kubeflow, "start", "--follow").stdout.count("t-start ModuleNotFoundError") == 1
    assert "exit code 1" in logs(folder, kubeflow, "start", "--attempt", "1").stdout


@pytest.mark.slow
def test_what_failed_before_metaflow_began_it_is_shown_behind_an_attempt_that_began(
    tmp_path: Path, kubeflow: Kubeflow
) -> None:
    folder = with_run(tmp_path, UNREADY)
    start_fails(folder, kubeflow, "RAISES", "UNREADY")
    shown = logs(folder, kubeflow, "start").stdout
    assert "No module named 'no_such_package'" in shown and "of the step" not in shown
    assert "of the step" in logs(folder, kubeflow, "start", "--attempt", "0").stdout


def start_fails(folder: Path, kubeflow: Kubeflow, *variables: str) -> None:
    """An attempt of the first step that fails with each of the variables, and what Kubeflow says of it."""
    run = SmallKubeflow(describe(folder / "wordy_flow.py", folder), folder, run="run-1", flows=folder)
    for attempt, variable in enumerate(variables):
        pod = run.pod("start", (), attempt, **{variable: "yes"})
        _out, err = pod.communicate(timeout=600)
        assert pod.returncode != 0, err
    failed = {"type": "Pod", "phase": "Failed", "message": "main: Error (exit code 1)", "name": "wf-1.root.start"}
    kubeflow.workflows["run-1"] = {"metadata": {"name": "wf-1"}, "status": {"nodes": {"n": failed}}}


@pytest.mark.slow
def test_following_an_ended_run_shows_every_line_once_behind_its_task(folder: Path, kubeflow: Kubeflow) -> None:
    done = logs(folder, kubeflow, "work", "--follow")
    assert done.returncode == 0, done.stderr
    assert sorted(done.stdout.splitlines()) == sorted(
        f"t-work-{index} {stream} of {index}" for index in (2, 10) for stream in ("out", "err")
    )
