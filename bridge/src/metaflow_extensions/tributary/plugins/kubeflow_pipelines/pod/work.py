"""All that one pod runs: one task, a chain of steps one after the other, or such a chain for each split of a batch.

A pod has as many retries as each of its tasks. A task that fails while it has a retry left ends the pod, and the next
pod goes on from there: so each attempt has a pod of its own, as long as there is one. Kubeflow Pipelines counts the
failures of all tasks together; when it has no further pod and a task still has retries, the pod makes them itself. As
no task has failed more often than there were pods, the last failure of a task and the last pod come together, and no
pod is started in vain.
"""

import os
import sys
import tempfile
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
    batch. The last task's splits go to `splits_file`, in `batches` ranges at most, and its choice to `choice_file`.
    Parameters are by pipeline input.
    """

    chains: tuple[Chain, ...]
    splits_file: Path | None = None
    batches: int | None = None
    choice_file: Path | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)


def new_folder() -> Path:
    """A folder for the files of this pod."""
    return Path(tempfile.mkdtemp(prefix="tributary-"))


class Work:
    """The work of this pod."""

    def __init__(self, deployment: Deployment, run: str, asked: Asked, variables: Variables) -> None:
        self._asked = asked
        self._variables = variables
        self._pod = Pod(
            deployment,
            run,
            RunTasks(deployment, run),
            process.Stop(),
            new_folder(),
            asked.parameters,
        )
        self._first = deployment.steps[asked.chains[0][0].step]
        self._done: dict[TaskPlace, TaskPlace] = {}

    def run(self) -> outputs.Failure | None:
        """Do what was asked; None when all tasks ended well. Raises process.BecomeCommand in every process forked on
        the way.

        A split that fails for good ends its batch, as a laptop's scheduler starts no further task then. While it has
        a retry left the others of the batch go on.
        """
        pods_left = attempts.told(os.environ) < self._first.user_code_retries + bool(self._first.error_retries)
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
        failure = Execution(self._pod, place).run(attempts.told(os.environ) if alone else 0)
        if failure is None:
            self._done[place] = place
        return failure

    def _rounds(self, asked: TaskPlace) -> outputs.Failure | None:
        """The rounds of a step that follows itself, from the first that has not ended well: all of them, or one where
        each has a pod.
        """
        place = replace(asked, round=self._pod.tasks.last_round(asked.step, asked.path))
        if self._pod.tasks.went_on_to([place]) == [(place.step,)]:
            place = replace(place, round=place.round + 1)
        while (failure := Execution(self._pod, place).run(0)) is None:
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
            print(f"{failure.reason}. Tried again in this pod after {minutes} minutes.", file=sys.stderr, flush=True)
        self._pod.stop.pause(minutes * 60)

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


def _summary(failures: Sequence[outputs.Failure]) -> outputs.Failure:
    """The first of a batch's failures, and how many there are beside it."""
    first, *others = failures
    return replace(first, reason=first.reason + (f" (and {len(others)} more of its batch)" if others else ""))
