"""What the flow's datastore knows of a run's tasks. The only module of the runner that talks to Metaflow's
datastore.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from metaflow import metaflow_config
from metaflow.datastore import FlowDataStore, TaskDataStore
from metaflow.mflog import TASK_LOG_SOURCE
from metaflow.mflog.mflog import parse
from metaflow.plugins import DATASTORES
from metaflow.util import Path as FileToStream

from ..record import Deployment
from .attempts import History
from .ids import PARAMETERS_STEP, gang, task_id
from .inputs import Path as IndexPath
from .inputs import TaskPlace
from .origin import ORIGIN_NOTE
from .stderr import KEPT_LINES

MAX_ATTEMPTS: int = metaflow_config.MAX_ATTEMPTS

# Metaflow reads a log of this size into memory, and streams a larger one from its file.
_SMALL_LOG = 1024 * 1024

# Where the datastore is S3, Metaflow starts a process to read many files at once, which pays only for more tasks.
_FEW = 8


class RunTasks:
    """The tasks of one run."""

    def __init__(self, deployment: Deployment, run: str) -> None:
        (storage,) = (kind for kind in DATASTORES if deployment.datastore_type == kind.TYPE)
        self._flow = FlowDataStore(deployment.flow_name, storage_impl=storage, ds_root=deployment.datastore_root)
        self._storage = self._flow._storage_impl
        self._run = run
        self._steps = deployment.steps

    def history(self, step: str, task: str) -> History:
        """The attempts of a task.

        Each file is asked for by its name: where the datastore is S3, Metaflow starts a process to list a folder.
        """
        begun = self._present(step, task, TaskDataStore.METADATA_ATTEMPT_SUFFIX, range(MAX_ATTEMPTS))
        if not begun:
            return History(frozenset(), finished=False)
        return History(frozenset(begun), self.ended_well(step, task, max(begun)))

    def ended_well(self, step: str, task: str, attempt: int) -> bool:
        """Whether an attempt has come to its end, and to a good one."""
        done = self._present(step, task, TaskDataStore.METADATA_DONE_SUFFIX, [attempt])
        return bool(done) and bool(self._read(step, task, attempt)["_task_ok"])

    def close_gaps(self, step: str, task: str, attempt: int) -> None:
        """Note every attempt before this one that ended before Metaflow had begun it, as begun.

        Metaflow takes the attempt before a gap for the last one, and would have the tasks behind read what that left.
        """
        begun = self._present(step, task, TaskDataStore.METADATA_ATTEMPT_SUFFIX, range(attempt))
        for gap in sorted(set(range(attempt)) - set(begun)):
            self._flow.get_task_datastore(self._run, step, task, attempt=gap, mode="w").init_task()

    def parameters_stored(self) -> bool:
        """Whether the run's parameters were stored by an earlier attempt of the first step."""
        return self.history(PARAMETERS_STEP, task_id(PARAMETERS_STEP, ())).finished

    def origin_run(self) -> str | None:
        """The run that this one resumes, as its first step noted it; None for a run that started anew."""
        task = task_id(PARAMETERS_STEP, ())
        path = self._storage.path_join(self._flow.flow_name, self._run, PARAMETERS_STEP, task, ORIGIN_NOTE)
        (noted,) = self._storage.is_file([path])
        if not noted:
            return None
        note = self._read(PARAMETERS_STEP, task).load_metadata([ORIGIN_NOTE], add_attempt=False)
        return str(note[ORIGIN_NOTE])

    def recall(self, key: str) -> bytes:
        """What was stored for this run in the flow's datastore, by its content's key."""
        ((_, blob),) = self._flow.load_data([key])
        return bytes(blob)

    def splits(self, step: str, path: IndexPath) -> int:
        """How many splits a foreach step's task made."""
        return int(self._read(step, task_id(step, path))["_foreach_num_splits"])

    def went_on_to(self, places: Sequence[TaskPlace]) -> list[tuple[str, ...]]:
        """For each of the tasks the steps that it went on to; none for a task that did not end well."""
        if len(places) <= _FEW:
            return [self._went_on_to(place) for place in places]
        ids = [self._id(place) for place in places]
        wanted = [f"{self._run}/{place.step}/{task}" for place, task in zip(places, ids, strict=True)]
        found = {
            (task.step_name, task.task_id): _transition(task)
            for task in self._flow.get_task_datastores(pathspecs=wanted)
        }
        return [found.get((place.step, task), ()) for place, task in zip(places, ids, strict=True)]

    def last_round(self, step: str, path: IndexPath) -> int:
        """The last round that began of a step that follows itself; 0 when none did.

        There is no gap between rounds, so it is found without asking for each.
        """
        known, beyond = 0, 1
        while self._began(step, path, beyond):
            known, beyond = beyond, 2 * beyond
        while beyond - known > 1:
            middle = (known + beyond) // 2
            known, beyond = (middle, beyond) if self._began(step, path, middle) else (known, middle)
        return known

    def gang_size(self, step: str, path: IndexPath) -> int | None:
        """The num_parallel that a step's task gave to self.next; None when it gave none that Metaflow takes."""
        task = self._read(step, task_id(step, path))
        return int(task["_parallel_ubf_iter"].num_parallel) if "_parallel_ubf_iter" in task else None

    def nodes(self, step: str, path: IndexPath) -> int:
        """How many nodes a @parallel step's gang had, as its control task says."""
        (control,) = gang(step, path, 1)
        return len(self._read(step, control)["_control_mapper_tasks"])

    def save_logs(self, step: str, task: str, attempt: int, files: Mapping[str, Path]) -> None:
        """Store an attempt's logs, by stream name, where Metaflow's client looks for them."""
        writer = self._flow.get_task_datastore(self._run, step, task, attempt=attempt, mode="w")
        small = all(file.stat().st_size < _SMALL_LOG for file in files.values())
        writer.save_logs(
            TASK_LOG_SOURCE,
            {stream: file.read_bytes() if small else FileToStream(str(file)) for stream, file in files.items()},
        )

    def stderr(self, step: str, task: str, attempt: int) -> list[str]:
        """The last lines that an attempt, ended or not, wrote to stderr, as far as they were stored."""
        reader = self._flow.get_task_datastore(self._run, step, task, attempt=attempt, allow_not_done=True)
        ((_, log),) = reader.load_logs([TASK_LOG_SOURCE], "stderr")
        parsed = (parse(line) for line in log.splitlines()[-KEPT_LINES:])
        return [line.msg.decode(errors="replace").rstrip() for line in parsed if line is not None]

    def _went_on_to(self, place: TaskPlace) -> tuple[str, ...]:
        task = self._id(place)
        history = self.history(place.step, task)
        return _transition(self._read(place.step, task, max(history.started))) if history.finished else ()

    def _id(self, place: TaskPlace) -> str:
        """The task's id; of a gang, that of the task that speaks for it."""
        if self._steps[place.step].gang is not None:
            return gang(place.step, place.path, 1)[0]
        return task_id(place.step, place.path, place.round)

    def _began(self, step: str, path: IndexPath, round: int) -> bool:
        # Attempts leave no gap, so there is always a first one.
        return bool(self._present(step, task_id(step, path, round), TaskDataStore.METADATA_ATTEMPT_SUFFIX, [0]))

    def _read(self, step: str, task: str, attempt: int | None = None) -> TaskDataStore:
        return self._flow.get_task_datastore(self._run, step, task, attempt=attempt)

    def _present(self, step: str, task: str, suffix: str, attempts: Sequence[int]) -> list[int]:
        """Those of the attempts that have a file with this suffix."""
        names = [TaskDataStore.metadata_name_for_attempt(suffix, attempt) for attempt in attempts]
        paths = [self._storage.path_join(self._flow.flow_name, self._run, step, task, name) for name in names]
        return [attempt for attempt, there in zip(attempts, self._storage.is_file(paths), strict=True) if there]


def _transition(task: TaskDataStore) -> tuple[str, ...]:
    """The steps that a task went on to. The last step of a flow stores none."""
    return tuple(task["_transition"][0]) if task["_task_ok"] and task["_transition"] else ()
