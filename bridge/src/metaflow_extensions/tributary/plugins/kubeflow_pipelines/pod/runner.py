"""Runs the tasks of a flow inside the container that Kubeflow Pipelines started for them.

Nothing but steps' names and foreach indices comes through Kubeflow Pipelines; ids are computed, inputs and attempts are
found in the datastore. A task that ended well is not run again. What the pipeline reads is written last, when all else
is stored.
"""

import argparse
import itertools
import json
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from ..record import Deployment, RecordError
from . import ids, inputs, mounted, outputs, variables
from .origin import Origin

if TYPE_CHECKING:
    from . import process, work

# The container's own command line, as JSON: what the pods of a gang are started with too. The loader sets it.
COMMAND = "TRIBUTARY_COMMAND"

_INDEXES = re.compile(r"(\d+)(?::(\d+))?")


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


def _indexes(word: str) -> range:
    """One index, or a half-open range of them: "3", "3:7"."""
    found = _INDEXES.fullmatch(word)
    if found is None:
        raise argparse.ArgumentTypeError(f"{word!r} is no index")
    first, end = int(found[1]), found[2]
    return range(first, int(end) if end else first + 1)


def main(record: str, argv: Sequence[str]) -> int:
    """Run the tasks that argv names; gives the container's exit code. The working folder is the unpacked code package.

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

    argv: STEP[,STEP...] [--index I]... [--splits FILE [--batches N] [--splits-per-pod N]] [--choice FILE]
    [--among STEP,STEP...] [--parameter=INPUT=TEXT]... [--origin=TEXT]
    The steps are run one after the other. An index may be a range, a batch: the steps are run for each split in it.
    """
    deployment = Deployment.from_json(record)
    given = _parsed(argv)
    if unknown := [step for step in given.steps if step not in deployment.steps]:
        raise WrongArguments(f"arguments of the container: no step {unknown[0]!r} was deployed. Deploy the flow again.")
    paths = list(itertools.product(*given.index))
    chains = tuple(tuple(inputs.check_path(deployment.steps, step, path) for step in given.steps) for path in paths)
    run = ids.run_id(os.environ["TRIBUTARY_RUN"])

    # Metaflow reads its settings once, when it is imported: so not before this, and not at the top of this file.
    os.environb.update(mounted.variables(Path(mounted.SECRETS_MOUNT), os.environ))
    surroundings = variables.Variables(deployment, run)
    surroundings.enter(given.steps[0])
    from metaflow.exception import MetaflowException

    from .process import BecomeCommand
    from .resume import clone_origin
    from .work import Asked

    batches = None if given.batches is None else outputs.Batches(given.batches, given.splits_per_pod)
    asked = Asked(chains, given.splits, batches, given.choice, dict(given.parameter), given.among)
    try:
        failure = None if given.origin is None else clone_origin(deployment, run, given.origin)
        if failure is None:
            failure = _run(deployment, run, asked, surroundings)
    except BecomeCommand as forked:
        command = forked.with_traceback(None)
    except MetaflowException as error:
        what = " ".join(f"{error.headline}: {error}".split())
        return outputs.report(outputs.Failure(1, f"{deployment.flow_name}/{run}/{surroundings.step}: {what}"))
    else:
        return 0 if failure is None else outputs.report(failure)
    return command


def _parsed(argv: Sequence[str]) -> argparse.Namespace:
    parser = _Parser(prog="runner")
    parser.add_argument("steps", type=_words)
    parser.add_argument("--index", type=_indexes, action="append", default=[])
    parser.add_argument("--splits", type=Path)
    parser.add_argument("--batches", type=int)
    parser.add_argument("--splits-per-pod", type=int, default=1)
    parser.add_argument("--choice", type=Path)
    parser.add_argument("--among", type=_words, default=())
    parser.add_argument("--parameter", type=_input_and_text, action="append", default=[])
    parser.add_argument("--origin", type=Origin.from_text)
    return parser.parse_args(argv)


def _run(
    deployment: Deployment, run: str, asked: "work.Asked", surroundings: variables.Variables
) -> outputs.Failure | None:
    """Run the tasks. What Kubeflow Pipelines starts for a @parallel step makes a gang, and runs no step itself."""
    from . import gang, gang_node, process, work
    from .cluster import Cluster
    from .execution import Execution, Pod
    from .tasks import RunTasks

    # A gang's step shares its pod with no other.
    place = asked.chains[0][0]
    record = deployment.steps[place.step].gang
    if record is None:
        return work.do(deployment, run, asked, surroundings)
    cluster = Cluster.of_this_pod()
    node = gang_node.of_this_pod(os.environ, place)
    if node is None:
        namespace, own = os.environ["TRIBUTARY_NAMESPACE"], os.environ["TRIBUTARY_POD"]
        command = tuple(json.loads(os.environ[COMMAND]))
        return gang.drive(deployment, run, place, gang.Pods(cluster, namespace, own, command))
    with gang_node.joined(node, record, cluster):
        pod = Pod(deployment, run, {}, RunTasks(deployment, run), process.Stop())
        return Execution(pod, place, node).run(0)
