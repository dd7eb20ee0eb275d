"""All that one pod runs: one task, a chain of steps one after the other, or such a chain for each split of a batch.

A pod has as many retries as each of its tasks. A task that fails while it has a retry left ends the pod, and the next
pod goes on from there: so each attempt has a pod of its own, as long as there is one. Kubeflow Pipelines counts the
failures of all tasks together; when it has no further pod and a task still has retries, the pod makes them itself. As
no task has failed more often than there were pods, the last failure of a task and the last pod come together, and no
pod is started in vain. An attempt that fails before Metaflow begins it leaves nothing in the datastore, so the pod
keeps count of its own attempts too; only those of earlier pods are forgotten then.
"""

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..record import Deployment
from . import attempts, inputs, outputs, process
from .execution import Execution, Pod
from .inputs import TaskPlace
from .tasks import RunTasks
from .variables import Variables

Chain = tuple[TaskPlace, ...]


@dataclass(frozen=True)
class Asked:
    """What the pipeline asks of this pod: for each split of its batch a chain of tasks; one chain where there is no
    batch. The last task's splits go to `splits_file`, as ranges where they are to run in batches, and its choice to
    `choice_file`. Parameters are by pipeline input.

    With `among`, nothing is run: the choice is the one of these steps at which the run has arrived since the task.
    """

    chains: tuple[Chain, ...]
    splits_file: Path | None = None
    batches: outputs.Batches | None = None
    choice_file: Path | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)
    among: tuple[str, ...] = ()


def do(deployment: Deployment, run: str, asked: Asked, variables: Variables) -> outputs.Failure | None:
    """Do what was asked; None when all ended well. Raises process.BecomeCommand in every process forked on the way."""
    tasks = RunTasks(deployment, run)
    if asked.among and asked.choice_file is not None:
        return _tell(deployment, tasks, asked.chains[0][0], asked.among, asked.choice_file)
    pod = Pod(deployment, run, asked.parameters, tasks, process.Stop())
    return _Work(pod, asked, variables).run()


class _Work:
    """The tasks of this pod."""

    def __init__(self, pod: Pod, asked: Asked, variables: Variables) -> None:
        self._asked = asked
        self._variables = variables
        self._pod = pod
        self._told = attempts.told(os.environ)
        self._first = pod.deployment.steps[asked.chains[0][0].step]
        self._done: dict[TaskPlace, TaskPlace] = {}
        # By task, the attempt after the last one that failed in this pod.
        self._due: dict[TaskPlace, int] = {}

    def run(self) -> outputs.Failure | None:
        """Run them, and write what the pipeline reads; None when all ended well.

        A split that fails for good ends its batch, as a laptop's scheduler starts no further task then. While it has
        a retry left the others of the batch go on.
        """
        pods_left = self._told < self._first.user_code_retries + bool(self._first.error_retries)
        waiting: Sequence[Chain] = self._asked.chains
        while True:
            failed: dict[Chain, outputs.Failure] = {}
            for chain in waiting:
                failure = self._chain(chain)
                if failure is None:
                    continue
                if not failure.again or self._pod.stop.asked:
                    return failure
                failed[chain] = failure
            if not failed:
                self._write_outputs()
                return None
            summary = _summary(list(failed.values()))
            if pods_left:
                return summary
            self._pause(failed.values())
            if self._pod.stop.asked:
                return replace(summary, code=process.TERMINATED)
            waiting = list(failed)

    def _chain(self, chain: Chain) -> outputs.Failure | None:
        """The steps one after the other, up to the first that fails."""
        for place in chain:
            if place in self._done:
                continue
            self._variables.enter(place.step)
            failure = self._rounds(place) if self._is_recursive(place) else self._once(place)
            if failure is not None:
                return failure
        return None

    def _once(self, place: TaskPlace) -> outputs.Failure | None:
        alone = sum(map(len, self._asked.chains)) == 1
        execution = Execution(self._pod, place)
        failure = execution.run(self._told if alone else self._due.get(place, 0))
        if failure is None:
            self._done[place] = place
        self._due[place] = execution.attempt + 1
        return failure

    def _rounds(self, asked: TaskPlace) -> outputs.Failure | None:
        """The rounds of a step that follows itself, from the first that has not ended well: all of them, or one where
        each has a pod.
        """
        place = replace(asked, round=self._pod.tasks.last_round(asked.step, asked.path))
        if self._pod.tasks.went_on_to([place]) == [(place.step,)]:
            place = replace(place, round=place.round + 1)
        while (failure := Execution(self._pod, place).run(self._told)) is None:
            if self._pod.deployment.loops == "pods" or self._next(place) != place.step:
                self._done[asked] = place
                break
            place = replace(place, round=place.round + 1)
        return failure

    def _is_recursive(self, place: TaskPlace) -> bool:
        return inputs.recursive(self._pod.deployment.steps, place.step)

    def _pause(self, failures: Iterable[outputs.Failure]) -> None:
        """Wait as long as the user wants between two attempts, or until the pod is told to stop."""
        minutes = self._first.minutes_between_retries
        for failure in failures:
            print(f"{failure.reason}. The next attempt begins in {minutes} minutes.", file=sys.stderr, flush=True)
        self._pod.stop.wait_for(60.0 * minutes)

    def _write_outputs(self) -> None:
        last = self._done[self._asked.chains[-1][-1]]
        if self._asked.splits_file is not None:
            count = self._pod.tasks.splits(last.step, last.path)
            outputs.write_splits(self._asked.splits_file, count, self._asked.batches)
        if self._asked.choice_file is not None:
            outputs.write_choice(self._asked.choice_file, self._next(last))

    def _next(self, switch: TaskPlace) -> str:
        """The step that a switch's task chose."""
        ((chosen,),) = self._pod.tasks.went_on_to([switch])
        return chosen


def _tell(
    deployment: Deployment, tasks: RunTasks, place: TaskPlace, among: tuple[str, ...], file: Path
) -> outputs.Failure | None:
    """Write at which of these steps the run has arrived since the task at `place`."""
    try:
        outputs.write_choice(file, inputs.arrived(deployment.steps, place, among, tasks))
    except inputs.Astray as error:
        return outputs.Failure(1, f"{deployment.flow_name}/{place.step}: {error}")
    return None


def _summary(failures: Sequence[outputs.Failure]) -> outputs.Failure:
    """The first of a batch's failures, and how many there are beside it."""
    first, *others = failures
    return replace(first, reason=first.reason + (f" (and {len(others)} more of its batch)" if others else ""))
