"""One task from its inputs to its outputs: found done, or run in one attempt, and in @catch's fallback after the last.
Of a round of a step that follows itself all attempts are run.
"""

import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from metaflow.exception import MetaflowException

from ..record import Deployment
from . import attempts, commands, inputs, outputs, parameters, process, stderr
from .gang_node import Node
from .ids import gang, pathspec, task_id
from .interpreter import Interpreter
from .tasks import MAX_ATTEMPTS, RunTasks
from .time_limit import GRACE_SECONDS


@dataclass(frozen=True)
class Pod:
    """What the tasks of one container share: the run that they belong to, its parameters by pipeline input, and the
    wish that all of them end.
    """

    deployment: Deployment
    run: str
    parameters: Mapping[str, str]
    tasks: RunTasks
    stop: process.Stop


class Execution:
    """One task in this pod; with `node`, the part of a gang's task that is this pod's."""

    def __init__(self, pod: Pod, place: inputs.TaskPlace, node: Node | None = None) -> None:
        self._pod = pod
        self._deployment = pod.deployment
        self._steps = pod.deployment.steps
        self._run = pod.run
        self._place = place
        self._record = self._steps[place.step]
        self._node = node
        self._task = node.task if node else task_id(place.step, place.path, place.round)
        self._tasks = pod.tasks
        self._folder = Path()
        self._interpreter: Interpreter | None = None
        self._stop = pod.stop
        # The last attempt that was made here, -1 before the first.
        self.attempt = -1

    def run(self, told: int) -> outputs.Failure | None:
        """Run the attempt that is due; None when the task has ended well, now or before. `told` is the attempt of the
        pod, by Kubeflow Pipelines' count. Raises process.BecomeCommand in every process forked on the way.
        """
        with process.scratch() as self._folder:
            self._interpreter = Interpreter.of(self._record, self._folder)
            return self._execute(told)

    def _execute(self, told: int) -> outputs.Failure | None:
        if self._node is not None:
            number = self._node.attempt
            return self._attempt_once(attempts.Attempt(number, max(self._record.user_code_retries, number)))
        history = self._tasks.history(self._place.step, self._task)
        if history.finished:
            print(f"{self._name}: ended well in attempt {max(history.started)}, not run again", file=sys.stderr)
            return None
        retries = (self._record.user_code_retries, self._record.error_retries)
        if inputs.recursive(self._steps, self._place.step):
            return self._attempt_round(attempts.resolve_round(told, history, retries[0]), history)
        return self._attempt_all(attempts.resolve(told, history, *retries))

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
                return replace(failure, again=attempt.has_next and attempt.number + 1 < MAX_ATTEMPTS)
            print(f"{failure.reason}. @catch takes over.", file=sys.stderr)
            attempt = attempt.next()
        return None

    def _attempt_round(self, attempt: attempts.Attempt | None, history: attempts.History) -> outputs.Failure | None:
        """All attempts of a round. Each round has those of @retry, and the pipeline's retries are for the whole pod.

        A pod that finds all of them used up says what the last one said: its own word is what is shown of the step.
        """
        if attempt is None:
            return outputs.Failure(1, self._stored_reason(max(history.started)))
        while (failure := self._attempt_all(attempt)) is not None:
            if self._stop.asked or not failure.again:
                return replace(failure, again=False)
            minutes = self._record.minutes_between_retries
            print(f"{failure.reason}. The next attempt begins in {minutes} minutes.", file=sys.stderr)
            self._stop.wait_for(60.0 * minutes)
            attempt = attempt.next()
        return None

    def _stored_reason(self, attempt: int) -> str:
        """Why an attempt in another pod failed, as its stored log says."""
        where = f"{self._name}, attempt {attempt}"
        lines = self._tasks.stderr(self._place.step, self._task, attempt)
        if lines and lines[-1].startswith(f"{where}: "):
            return lines[-1]
        return f"{where}: {stderr.reason(lines) or 'all attempts of this round have failed'}"

    def _attempt_once(self, attempt: attempts.Attempt) -> outputs.Failure | None:
        logs = process.Logs(
            self._folder / str(attempt.number),
            save=lambda files: self._save_logs(attempt.number, files),
        )
        self.attempt = attempt.number
        if attempt.number:
            self._tasks.close_gaps(self._place.step, self._task, attempt.number)
        os.environ["METAFLOW_TASK_ID"] = self._task
        os.environ["METAFLOW_RETRY_COUNT"] = str(attempt.number)
        failure = self._set_up_interpreter(logs, attempt)
        if failure is None and self._place.step == self._deployment.start_step and not self._tasks.parameters_stored():
            failure = self._init(logs, attempt)
        if failure is None:
            timeout = None if attempt.is_fallback else self._record.timeout_seconds
            failure = self._run_command(self._step_command(attempt), logs, attempt, timeout=timeout)
            failure = failure or self._left_early(logs, attempt)
        logs.save()
        return failure

    def _left_early(self, logs: process.Logs, attempt: attempts.Attempt) -> outputs.Failure | None:
        """A step may leave its process in the middle, with the exit code of one that has come to its end.

        A store that is away says nothing of that, and what the task made is safe; the next one will find out.
        """
        try:
            ended_well = self._tasks.ended_well(self._place.step, self._task, attempt.number)
        except (MetaflowException, OSError) as error:
            print(f"{self._name}: whether it came to its end could not be read: {error}", file=sys.stderr)
            return None
        if ended_well:
            return None
        why = f"{self._name}, attempt {attempt.number}: its process ended with exit code 0 before the step did"
        logs.note(why)
        return outputs.Failure(1, why)

    def _init(self, logs: process.Logs, attempt: attempts.Attempt) -> outputs.Failure | None:
        """Store the run's parameters, as an attempt's first command."""
        try:
            values = parameters.values(self._deployment.parameters, self._pod.parameters, self._tasks.recall)
        except parameters.ParameterError as error:
            logs.note(str(error))
            return outputs.Failure(1, f"{self._name}: {error}")
        return self._run_command(commands.init(self._deployment, self._run, values), logs, attempt)

    def _set_up_interpreter(self, logs: process.Logs, attempt: attempts.Attempt) -> outputs.Failure | None:
        """Have the step's own interpreter set up, once in this pod."""
        if self._interpreter is None or (setup := self._interpreter.setup()) is None:
            return None
        failure = self._run_command(setup, logs, attempt, program=True)
        if failure is None:
            self._interpreter.take_over()
        return failure

    def _step_command(self, attempt: attempts.Attempt) -> list[str]:
        file = self._folder / "input-paths"
        file.write_text(",".join(self._input_paths()))
        index = inputs.split_index(self._steps, self._place)
        origin = self._tasks.origin_run()
        return commands.step(self._deployment, self._run, self._place, attempt, str(file), index, origin, self._node)

    def _input_paths(self) -> list[str]:
        if self._place.step == self._deployment.start_step:
            return [pathspec(self._run, "_parameters", ())]
        found = inputs.inputs(self._steps, self._place, self._tasks)
        return [spec for place in found for spec in self._pathspecs(place)]

    def _pathspecs(self, place: inputs.TaskPlace) -> list[str]:
        """One task, or those of all nodes of a gang."""
        if self._steps[place.step].gang is None:
            return [pathspec(self._run, place.step, place.path, place.round)]
        nodes = self._tasks.nodes(place.step, place.path)
        return [f"{self._run}/{place.step}/{task}" for task in gang(place.step, place.path, nodes)]

    def _run_command(
        self,
        argv: list[str],
        logs: process.Logs,
        attempt: attempts.Attempt,
        *,
        program: bool = False,
        timeout: int | None = None,
    ) -> outputs.Failure | None:
        if self._interpreter is not None and not program:
            argv, program = self._interpreter.program(argv), True
        where = f"{self._name}, attempt {attempt.number}"
        limit = None if timeout is None else timeout + GRACE_SECONDS
        code = process.TERMINATED
        if not self._stop.asked:
            ended = process.run(argv, logs, self._stop, limit, program=program)
            if ended.code == 0:
                return None
            code, what = ended.code, ended.reason or f"exit code {ended.code}"
        if self._stop.asked:
            code, what = process.TERMINATED, outputs.TOLD_TO_STOP
        elif self._stop.timed_out:
            what = f"killed, it did not heed its @timeout of {timeout} seconds"
        elif code > 128:
            what = f"ended by {_signal_name(code - 128)}"
        if code > 128:
            logs.note(f"{where}: {what}")
        return outputs.Failure(code, f"{where}: {what}")

    def _save_logs(self, attempt: int, files: Mapping[str, Path]) -> bool:
        """Store the logs; whether that was done. A store that is away must not fail a task whose artifacts are safe, so
        it is only said.
        """
        try:
            self._tasks.save_logs(self._place.step, self._task, attempt, files)
        except (MetaflowException, OSError) as error:
            print(f"{self._name}: the logs could not be stored: {error}", file=sys.stderr)
            return False
        return True


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
