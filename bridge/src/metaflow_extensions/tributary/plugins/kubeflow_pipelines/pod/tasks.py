"""What the flow's datastore knows of a run's tasks. The only module of the runner that talks to Metaflow's
datastore.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from metaflow import metaflow_config
from metaflow.datastore import FlowDataStore, TaskDataStore
from metaflow.mflog import TASK_LOG_SOURCE
from metaflow.plugins import DATASTORES
from metaflow.util import Path as FileToStream

from ..record import Deployment
from .attempts import History
from .ids import PARAMETERS_STEP, task_id
from .inputs import Path as IndexPath
from .origin import ORIGIN_NOTE

MAX_ATTEMPTS: int = metaflow_config.MAX_ATTEMPTS

# Metaflow reads a log of this size into memory, and streams a larger one from its file.
_SMALL_LOG = 1024 * 1024


class RunTasks:
    """The tasks of one run."""

    def __init__(self, deployment: Deployment, run: str) -> None:
        (storage,) = (kind for kind in DATASTORES if deployment.datastore_type == kind.TYPE)
        self._flow = FlowDataStore(deployment.flow_name, storage_impl=storage, ds_root=deployment.datastore_root)
        self._storage = self._flow._storage_impl
        self._run = run

    def history(self, step: str, task: str) -> History:
        """The attempts of a task.

        Each file is asked for by its name: where the datastore is S3, Metaflow starts a process to list a folder.
        """
        begun = self._present(step, task, TaskDataStore.METADATA_ATTEMPT_SUFFIX, range(MAX_ATTEMPTS))
        if not begun:
            return History(frozenset(), finished=False)
        last = max(begun)
        done = self._present(step, task, TaskDataStore.METADATA_DONE_SUFFIX, [last])
        return History(frozenset(begun), bool(done) and bool(self._read(step, task, last)["_task_ok"]))

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

    def save_logs(self, step: str, task: str, attempt: int, files: Mapping[str, Path]) -> None:
        """Store an attempt's logs, by stream name, where Metaflow's client looks for them."""
        writer = self._flow.get_task_datastore(self._run, step, task, attempt=attempt, mode="w")
        small = all(file.stat().st_size < _SMALL_LOG for file in files.values())
        writer.save_logs(
            TASK_LOG_SOURCE,
            {stream: file.read_bytes() if small else FileToStream(str(file)) for stream, file in files.items()},
        )

    def _read(self, step: str, task: str, attempt: int | None = None) -> TaskDataStore:
        return self._flow.get_task_datastore(self._run, step, task, attempt=attempt)

    def _present(self, step: str, task: str, suffix: str, attempts: Sequence[int]) -> list[int]:
        """Those of the attempts that have a file with this suffix."""
        names = [TaskDataStore.metadata_name_for_attempt(suffix, attempt) for attempt in attempts]
        paths = [self._storage.path_join(self._flow.flow_name, self._run, step, task, name) for name in names]
        return [attempt for attempt, there in zip(attempts, self._storage.is_file(paths), strict=True) if there]
