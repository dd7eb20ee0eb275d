"""What a container was asked to do, from its arguments to what the pipeline reads of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..record import Deployment
from . import inputs, outputs, process
from .execution import Execution, Pod
from .tasks import RunTasks


@dataclass(frozen=True)
class Asked:
    """A task, and where the splits of a foreach and the choice of a switch go. Parameters are by pipeline input.

    With `among`, nothing is run: the choice is the one of these steps at which the run has arrived since the task.
    """

    place: inputs.TaskPlace
    splits_file: Path | None = None
    choice_file: Path | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)
    among: tuple[str, ...] = ()


def do(deployment: Deployment, run: str, asked: Asked) -> outputs.Failure | None:
    """Do what was asked; None when all ended well. Raises process.BecomeCommand in every process forked on the way."""
    tasks, place = RunTasks(deployment, run), asked.place
    if asked.among and asked.choice_file is not None:
        return _tell(deployment, tasks, place, asked.among, asked.choice_file)
    pod = Pod(deployment, run, asked.parameters, tasks, process.Stop())
    if inputs.recursive(deployment.steps, place.step):
        place, failure = _rounds(pod, place)
    else:
        failure = Execution(pod, place).run()
    if failure is not None:
        return failure
    if asked.splits_file is not None:
        outputs.write_splits(asked.splits_file, tasks.splits(place.step, place.path))
    if asked.choice_file is not None:
        outputs.write_choice(asked.choice_file, _next(tasks, place))
    return None


def _tell(
    deployment: Deployment, tasks: RunTasks, place: inputs.TaskPlace, among: tuple[str, ...], file: Path
) -> outputs.Failure | None:
    """Write at which of these steps the run has arrived since the task at `place`."""
    try:
        outputs.write_choice(file, inputs.arrived(deployment.steps, place, among, tasks))
    except inputs.Astray as error:
        return outputs.Failure(1, f"{deployment.flow_name}/{place.step}: {error}")
    return None


def _rounds(pod: Pod, place: inputs.TaskPlace) -> tuple[inputs.TaskPlace, outputs.Failure | None]:
    """The rounds of a step that follows itself, from the first that has not ended well: all of them, or one where each
    has a pod. Gives the last one, and why it failed.
    """
    place = replace(place, round=pod.tasks.last_round(place.step, place.path))
    if pod.tasks.went_on_to([place]) == [(place.step,)]:
        place = replace(place, round=place.round + 1)
    while (failure := Execution(pod, place).run()) is None:
        if pod.deployment.loops == "pods" or _next(pod.tasks, place) != place.step:
            break
        place = replace(place, round=place.round + 1)
    return place, failure


def _next(tasks: RunTasks, switch: inputs.TaskPlace) -> str:
    """The step that a switch's task chose."""
    ((chosen,),) = tasks.went_on_to([switch])
    return chosen
