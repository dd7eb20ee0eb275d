"""Runs one task of a flow inside the container that Kubeflow Pipelines started for it.

Nothing but a step's name and its foreach indices comes to it through Kubeflow Pipelines; ids are computed, inputs and
attempts are found in the datastore. A task that ended well is not run again. What the pipeline reads is written last,
when all else is stored.
"""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from ..record import Deployment, RecordError
from . import commands, ids, inputs, mounted, outputs
from .origin import Origin

if TYPE_CHECKING:
    from . import process, work

# The container's own command line, as JSON: what the pods of a gang are started with too. The loader sets it.
COMMAND = "TRIBUTARY_COMMAND"


def _input_and_text(word: str) -> tuple[str, str]:
    """INPUT=TEXT; the text may hold any character, "=" too."""
    name, _, text = word.partition("=")
    return name, text


class WrongArguments(ValueError):
    """The container's arguments are none of a pipeline's. Written by hand, or by another version of the compiler."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise WrongArguments(f"arguments of the container: {message}. Deploy the flow again.")


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split(","))


def main(record: str, argv: Sequence[str]) -> int:
    """Run the task that argv names; gives the container's exit code. The working folder is the unpacked code package.

    Whatever fails leaves its reason where Kubernetes shows it, a mistake of ours too. In the process of a step this
    does not come back.
    """
    sys.excepthook = outputs.report_crash
    try:
        done = _main(record, argv)
    except (RecordError, WrongArguments, inputs.WrongPath, OSError) as error:
        return outputs.report(outputs.Failure(1, " ".join(str(error).split())))
    if isinstance(done, int):
        return done
    sys.excepthook = sys.__excepthook__
    done.run()


def _main(record: str, argv: Sequence[str]) -> "int | process.BecomeCommand":
    """The exit code; in a process of a step, what it is to become.

    argv: STEP [--index I]... [--splits FILE] [--choice FILE] [--among STEP,STEP...] [--parameter=INPUT=TEXT]...
    [--origin=TEXT]
    """
    deployment = Deployment.from_json(record)
    parser = _Parser(prog="runner")
    parser.add_argument("step", choices=deployment.steps)
    parser.add_argument("--index", type=int, action="append", default=[])
    parser.add_argument("--splits", type=Path)
    parser.add_argument("--choice", type=Path)
    parser.add_argument("--among", type=_words, default=())
    parser.add_argument("--parameter", type=_input_and_text, action="append", default=[])
    parser.add_argument("--origin", type=Origin.from_text)
    given = parser.parse_args(argv)
    place = inputs.check_path(deployment.steps, given.step, given.index)
    run = ids.run_id(os.environ["TRIBUTARY_RUN"])

    # Metaflow reads its settings once, when it is imported: so not before this, and not at the top of this file.
    os.environb.update(mounted.variables(Path(mounted.SECRETS_MOUNT), os.environ))
    os.environ.update(commands.environment(deployment, given.step, run))
    from metaflow.exception import MetaflowException

    from . import work
    from .process import BecomeCommand
    from .resume import clone_origin

    try:
        failure = None if given.origin is None else clone_origin(deployment, run, given.origin)
        if failure is None:
            asked = work.Asked(place, given.splits, given.choice, dict(given.parameter), given.among)
            failure = _run(deployment, run, asked)
    except BecomeCommand as forked:
        command = forked.with_traceback(None)
    except MetaflowException as error:
        what = " ".join(f"{error.headline}: {error}".split())
        return outputs.report(outputs.Failure(1, f"{deployment.flow_name}/{run}/{given.step}: {what}"))
    else:
        return 0 if failure is None else outputs.report(failure)
    return command


def _run(deployment: Deployment, run: str, asked: "work.Asked") -> outputs.Failure | None:
    """Run the task. What Kubeflow Pipelines starts for a @parallel step makes a gang, and runs no step itself."""
    from . import gang, gang_node, process, work
    from .cluster import Cluster
    from .execution import Execution, Pod
    from .tasks import RunTasks

    record = deployment.steps[asked.place.step].gang
    if record is None:
        return work.do(deployment, run, asked)
    cluster = Cluster.of_this_pod()
    node = gang_node.of_this_pod(os.environ, asked.place)
    if node is None:
        namespace, own = os.environ["TRIBUTARY_NAMESPACE"], os.environ["TRIBUTARY_POD"]
        command = tuple(json.loads(os.environ[COMMAND]))
        return gang.drive(deployment, run, asked.place, gang.Pods(cluster, namespace, own, command))
    with gang_node.joined(node, record, cluster):
        pod = Pod(deployment, run, {}, RunTasks(deployment, run), process.Stop())
        return Execution(pod, asked.place, node).run()
