"""One task from its inputs to its outputs: found done, or run attempt by attempt until it ends well or its pod has no
further attempt.
"""

import os
import signal
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from metaflow.exception import MetaflowException

from ..record import Deployment
from . import attempts, commands, inputs, outputs, parameters, process
from .ids import pathspec, task_id
from .tasks import MAX_ATTEMPTS, RunTasks

# Metaflow raises @timeout inside the step's process. Code that cannot be interrupted there is killed this much later.
TIMEOUT_GRACE_SECONDS = 60.0

_TERMINATED = 128 + signal.SIGTERM


@dataclass(frozen=True)
class Asked:
    """What the pipeline asks of this container: a task, and where the splits of a foreach step go. Parameters are by
    pipeline input.
    """

    place: inputs.TaskPlace
    splits_file: Path | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)


class Execution:
    """The task in this pod."""

    def __init__(self, deployment: Deployment, run: str, asked: Asked) -> None:
        self._deployment = deployment
        self._steps = deployment.steps
        self._run = run
        self._asked = asked
        self._place = asked.place
        self._record = deployment.steps[asked.place.step]
        self._task = task_id(asked.place.step, asked.place.path)
        self._tasks = RunTasks(deployment, run)
        self._folder = Path(tempfile.mkdtemp(prefix="tributary-"))
        self._stop = process.Stop()

    def run(self) -> outputs.Failure | None:
        """Do what was asked; None when the task ended well. Raises process.BecomeCommand in every process forked on the
        way.
        """
        history = self._tasks.history(self._place.step, self._task)
        if history.finished:
            print(f"{self._name}: ended well in attempt {max(history.started)}, not run again", file=sys.stderr)
        else:
            retries = (self._record.user_code_retries, self._record.error_retries)
            failure = self._attempt_all(attempts.resolve(os.environ, history, *retries))
            if failure is not None:
                return failure
        if self._asked.splits_file is not None:
            outputs.write_splits(self._asked.splits_file, self._tasks.splits(self._place.step, self._place.path))
        return None

    @property
    def _name(self) -> str:
        return f"{self._deployment.flow_name}/{self._run}/{self._place.step}/{self._task}"

    def _attempt_all(self, attempt: attempts.Attempt) -> outputs.Failure | None:
        """The attempts that this pod makes: one, and then @catch's fallback when it was the last one of the user's
        code.
        """
        if attempt.number >= MAX_ATTEMPTS:
            why = f"Metaflow keeps {MAX_ATTEMPTS} attempts of a task and all are used. Start a new run."
            return outputs.Failure(1, f"{self._name}: {why}")
        fallbacks = self._record.error_retries if attempt.number >= attempt.max_user_code_retries else 0
        last = min(attempt.number + fallbacks, MAX_ATTEMPTS - 1)
        while (failure := self._attempt_once(attempt)) is not None:
            if self._stop.asked or attempt.number >= last:
                return failure
            print(f"{failure.reason}. @catch takes over.", file=sys.stderr)
            attempt = attempt.next()
        return None

    def _attempt_once(self, attempt: attempts.Attempt) -> outputs.Failure | None:
        logs = process.Logs(
            self._folder / str(attempt.number),
            save=lambda files: self._save_logs(attempt.number, files),
        )
        os.environ["METAFLOW_TASK_ID"] = self._task
        os.environ["METAFLOW_RETRY_COUNT"] = str(attempt.number)
        failure = None
        if self._place.step == self._deployment.start_step and not self._tasks.parameters_stored():
            failure = self._init(logs, attempt)
        if failure is None:
            failure = self._run_command(self._step_command(attempt), logs, attempt)
        logs.save()
        return failure

    def _init(self, logs: process.Logs, attempt: attempts.Attempt) -> outputs.Failure | None:
        """Store the run's parameters, as an attempt's first command."""
        try:
            values = parameters.values(self._deployment.parameters, self._asked.parameters, self._tasks.recall)
        except parameters.ParameterError as error:
            logs.note(str(error))
            return outputs.Failure(1, f"{self._name}: {error}")
        return self._run_command(commands.init(self._deployment, self._run, values), logs, attempt)

    def _step_command(self, attempt: attempts.Attempt) -> list[str]:
        file = self._folder / "input-paths"
        file.write_text(",".join(self._input_paths()))
        index = inputs.split_index(self._steps, self._place)
        return commands.step(
            self._deployment, self._run, self._place, attempt, str(file), index, self._tasks.origin_run()
        )

    def _input_paths(self) -> list[str]:
        if self._place.step == self._deployment.start_step:
            return [pathspec(self._run, "_parameters", ())]
        found = inputs.inputs(self._steps, self._place, self._tasks.splits)
        return [pathspec(self._run, place.step, place.path) for place in found]

    def _run_command(self, argv: list[str], logs: process.Logs, attempt: attempts.Attempt) -> outputs.Failure | None:
        where = f"{self._name}, attempt {attempt.number}"
        timeout = self._record.timeout_seconds
        limit = None if timeout is None or attempt.is_fallback else timeout + TIMEOUT_GRACE_SECONDS
        code = _TERMINATED
        if not self._stop.asked:
            ended = process.run(argv, logs, self._stop, limit)
            if ended.code == 0:
                return None
            code, what = ended.code, ended.reason or f"exit code {ended.code}"
        if self._stop.asked:
            code, what = _TERMINATED, "the pod was told to stop"
        elif self._stop.timed_out:
            what = f"killed, it did not heed its @timeout of {timeout} seconds"
        elif code > 128:
            what = f"ended by {_signal_name(code - 128)}"
        if code > 128:
            logs.note(f"{where}: {what}")
        return outputs.Failure(code, f"{where}: {what}")

    def _save_logs(self, attempt: int, files: Mapping[str, Path]) -> None:
        """Store the logs. A store that is away must not fail a task whose artifacts are safe, so it is only said."""
        try:
            self._tasks.save_logs(self._place.step, self._task, attempt, files)
        except (MetaflowException, OSError) as error:
            print(f"{self._name}: the logs could not be stored: {error}", file=sys.stderr)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
