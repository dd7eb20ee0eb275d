"""The first step's part in a resumed run: before anything else, the new run is given what ended well in the old one.

Everything is cloned at once and by one pod. The other pods then find their tasks done, as they do when they are
retried.
"""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from metaflow.exception import MetaflowException

from ..record import Deployment
from . import attempts, commands, outputs, process
from .ids import task_id
from .interpreter import Interpreter
from .origin import Origin
from .tasks import RunTasks


def clone_origin(deployment: Deployment, run: str, origin: Origin) -> outputs.Failure | None:
    """Clone what the run takes over; None when that is done. Raises process.BecomeCommand in the forked process.

    The first step's own task is cloned last: where it is found done, all the others are there.
    """
    start = deployment.start_step
    task = task_id(start, ())
    tasks = RunTasks(deployment, run)
    if tasks.history(start, task).finished:
        return None
    attempt = attempts.told(os.environ)

    def save(files: Mapping[str, Path]) -> bool:
        try:
            tasks.save_logs(start, task, attempt, files)
        except (MetaflowException, OSError) as error:
            print(f"{run}: the logs could not be stored: {error}", file=sys.stderr)
            return False
        return True

    os.environ["METAFLOW_TASK_ID"] = task
    os.environ["METAFLOW_RETRY_COUNT"] = str(attempt)
    with process.scratch() as folder:
        logs, stop = process.Logs(folder, save), process.Stop()
        argv = commands.clone(deployment, run, origin)
        # The flow's file imports what only the first step's own interpreter may have.
        if (interpreter := Interpreter.of(deployment.steps[start], folder)) is None:
            ended = process.run(argv, logs, stop, None)
        else:
            setup = interpreter.setup()
            ended = process.run(setup, logs, stop, None, program=True) if setup else process.Ended(0, "")
            if ended.code == 0:
                interpreter.take_over()
                ended = process.run(interpreter.program(argv), logs, stop, None, program=True)
        if ended.code == 0:
            return None
        logs.save()
    why = ended.reason or f"exit code {ended.code}"
    return outputs.Failure(ended.code, f"{deployment.flow_name}/{run}: run {origin.run} cannot be taken over: {why}")
