"""`logs --follow`: every line that a run's tasks wrote is given once, also of attempts that end between two looks."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from metaflow.datastore import FlowDataStore
from metaflow.mflog import TASK_LOG_SOURCE
from metaflow.mflog.mflog import decorate
from metaflow.plugins.datastores.local_storage import LocalStorage

from metaflow_extensions.tributary.plugins.kubeflow_pipelines.logs import Follower, tasks

RUN = "kfp-run-1"
NOON = datetime(2026, 1, 1, 12)


class Run:
    """A run of which tasks are followed, with a clock that a test may set."""

    def __init__(self, root: Path) -> None:
        self._datastore = FlowDataStore("WordyFlow", storage_impl=LocalStorage, ds_root=str(root))
        self._follower = Follower(["stdout", "stderr"])
        self._files: dict[tuple[str, int], dict[str, bytes]] = {}
        self.clock = NOON

    def begin(self, task: str, attempt: int) -> None:
        self._datastore.get_task_datastore(RUN, "fit", task, attempt=attempt, mode="w").init_task()

    def write(self, task: str, attempt: int, *lines: str, stream: str = "stderr", end: str = "\n") -> None:
        """Store the attempt's logs with these lines added."""
        files = self._files.setdefault((task, attempt), {"stdout": b"", "stderr": b""})
        for line in lines:
            self.clock += timedelta(seconds=1)
            files[stream] += decorate(TASK_LOG_SOURCE, f"{line}{end}".encode(), now=self.clock)
        writer = self._datastore.get_task_datastore(RUN, "fit", task, attempt=attempt, mode="w")
        writer.save_logs(TASK_LOG_SOURCE, files)

    def forget(self, task: str, attempt: int) -> None:
        """A pod that makes the same attempt again begins its logs anew."""
        del self._files[task, attempt]

    def look(self, attempt: int | None = None, failed: Iterable[tuple[str, tuple[int, ...]]] = ()) -> list[str]:
        """What is new, as it is printed."""
        found = tasks(self._datastore, RUN, ["fit"], None, attempt, failed)
        return [f"{task.task} {task.attempt} {line.text}" for task, line in self._follower.new(found)]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path)


def test_the_last_lines_of_an_attempt_are_given_when_the_next_has_begun(run: Run) -> None:
    run.begin("t-fit", 0)
    run.write("t-fit", 0, "one")
    assert run.look() == ["t-fit 0 one"]
    run.write("t-fit", 0, "Traceback", "ValueError")
    run.begin("t-fit", 1)
    run.write("t-fit", 1, "again")
    assert run.look() == ["t-fit 0 Traceback", "t-fit 0 ValueError", "t-fit 1 again"]
    run.write("t-fit", 1, "done")
    assert run.look() == ["t-fit 1 done"]
    assert run.look() == []


def test_attempts_that_came_and_went_between_two_looks_are_given_in_their_order(run: Run) -> None:
    run.begin("t-fit", 0)
    run.write("t-fit", 0, "of 0")
    assert run.look() == ["t-fit 0 of 0"]
    for attempt in (1, 2, 3):
        run.begin("t-fit", attempt)
        run.write("t-fit", attempt, f"of {attempt}")
    assert run.look() == ["t-fit 1 of 1", "t-fit 2 of 2", "t-fit 3 of 3"]


def test_a_task_that_begins_while_the_run_is_followed_is_given_from_its_first_attempt_on(run: Run) -> None:
    assert run.look() == []
    for attempt in (0, 1):
        run.begin("t-fit", attempt)
        run.write("t-fit", attempt, f"of {attempt}")
    assert run.look() == ["t-fit 0 of 0", "t-fit 1 of 1"]


def test_what_was_over_when_following_began_is_left_to_the_latest_attempt(run: Run) -> None:
    for attempt in (0, 1):
        run.begin("t-fit", attempt)
        run.write("t-fit", attempt, f"of {attempt}")
    assert run.look() == ["t-fit 1 of 1"]


def test_an_attempt_that_was_asked_for_is_given_alone(run: Run) -> None:
    run.begin("t-fit", 0)
    run.write("t-fit", 0, "of 0")
    assert run.look(attempt=1) == []
    for attempt in (1, 2):
        run.begin("t-fit", attempt)
        run.write("t-fit", attempt, f"of {attempt}")
    run.write("t-fit", 0, "more of 0")
    assert run.look(attempt=1) == ["t-fit 1 of 1"]
    run.write("t-fit", 1, "more of 1")
    assert run.look(attempt=1) == ["t-fit 1 more of 1"]


def test_attempts_that_metaflow_never_began_are_given_too_and_once(run: Run) -> None:
    run.begin("t-fit", 0)
    run.write("t-fit", 0, "of 0")
    assert run.look() == ["t-fit 0 of 0"]
    for attempt in (1, 2):
        run.write("t-fit", attempt, f"never began {attempt}")
    assert run.look(failed=[("fit", ())]) == ["t-fit 1 never began 1", "t-fit 2 never began 2"]
    # The next attempt is under way, so the task is not among those that failed.
    assert run.look() == []
    run.write("t-fit", 2, "late")
    assert run.look() == ["t-fit 2 late"]
    run.write("t-fit", 3, "of 3")
    run.begin("t-fit", 3)
    assert run.look() == ["t-fit 3 of 3"]


def test_lines_behind_a_clock_that_stepped_back_are_given_once(run: Run) -> None:
    run.begin("t-fit", 0)
    run.write("t-fit", 0, "one", "two", "three")
    assert run.look() == ["t-fit 0 one", "t-fit 0 two", "t-fit 0 three"]
    run.clock = NOON - timedelta(minutes=1)
    run.write("t-fit", 0, "four", "five")
    assert run.look() == ["t-fit 0 four", "t-fit 0 five"]
    assert run.look() == []


def test_tasks_and_streams_are_told_apart(run: Run) -> None:
    for task in ("t-fit-0", "t-fit-1"):
        run.begin(task, 0)
        run.write(task, 0, f"out of {task}", stream="stdout")
    run.write("t-fit-0", 0, "err")
    assert run.look() == ["t-fit-0 0 out of t-fit-0", "t-fit-0 0 err", "t-fit-1 0 out of t-fit-1"]
    run.begin("t-fit-0", 1)
    run.write("t-fit-0", 1, "again", stream="stdout")
    run.write("t-fit-1", 0, "err", stream="stderr")
    assert run.look() == ["t-fit-0 1 again", "t-fit-1 0 err"]


def test_an_attempt_that_is_made_again_is_given_anew(run: Run) -> None:
    """One that never began is made again under its number, and what the other pod stored is overwritten."""
    run.begin("t-fit", 0)
    run.write("t-fit", 0, "lost", "pod")
    assert run.look() == ["t-fit 0 lost", "t-fit 0 pod"]
    run.forget("t-fit", 0)
    run.write("t-fit", 0, "one", "two", "three")
    assert run.look() == ["t-fit 0 one", "t-fit 0 two", "t-fit 0 three"]


def test_what_stands_behind_a_line_without_an_end_is_given(run: Run) -> None:
    run.begin("t-fit", 0)
    run.write("t-fit", 0, "no end", end="")
    assert run.look() == ["t-fit 0 no end"]
    run.write("t-fit", 0, "the runner's word")
    assert run.look() == ["t-fit 0 the runner's word"]
    assert run.look() == []
