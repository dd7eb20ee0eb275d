"""The commands about a run that is there already: `resume`, `retry` and `logs`."""

# mypy: disable-error-code="untyped-decorator"
# Metaflow's copy of click has no types.

import time
from collections.abc import Callable
from functools import partial
from typing import Any

from metaflow._vendor import click

from . import compat, console, deploy, logs, runs
from .attributes import attribute_file, write_run
from .refusals import Refused

# How often `logs --follow` looks. The runner stores new lines every second at most, and then more and more seldom.
FOLLOW_SECONDS = 3.0

_STREAMS = ("stdout", "stderr")


@click.command(help="Start a run that takes over what ended well in an older run, and runs the rest.")
@click.argument("run-id")
@click.option(
    "--step-to-rerun", default=None, help="Run this step and all that follow again, also where they ended well."
)
@click.option("--run-id-file", default=None, type=click.Path(dir_okay=False), help="Write the new run's id to it.")
@click.option("--experiment", default=None, help="Experiment that the run belongs to.")
@click.option("--version-name", default=None, help="Version of the pipeline to run. The newest is run without it.")
@attribute_file
@click.pass_obj
def resume(
    obj: compat.State,
    run_id: str,
    step_to_rerun: str | None,
    run_id_file: str | None,
    experiment: str | None,
    version_name: str | None,
    deployer_attribute_file: str | None,
) -> None:
    """The parameters are those of the older run; the code is that of the version."""
    started = runs.resume(
        console.server_of(obj),
        obj.flow_identity,
        obj.pipeline_name,
        run_id,
        recall=console.recall(obj),
        step_to_rerun=step_to_rerun,
        began=partial(compat.has_begun, obj),
        version_name=version_name,
        experiment=experiment,
    )
    obj.echo(f"Pipeline *{obj.pipeline_name}* resumes {run_id} (run-id *{started}*).", bold=True)
    console.write_run_id(run_id_file, started)
    write_run(obj, deployer_attribute_file, started)
    console.see(obj, started)


@click.command(help="Run again what failed in a run that has ended, in that same run.")
@click.argument("run-id")
@click.option("--authorize", default=None, help="The deployment's production token, if another made it.")
@click.pass_obj
def retry(obj: compat.State, run_id: str, authorize: str | None) -> None:
    """By Kubeflow Pipelines' own retry; what ended well is kept."""
    retried = runs.retry(
        console.server_of(obj), obj.flow_identity, obj.pipeline_name, run_id, console.recall(obj), authorize
    )
    obj.echo(f"Run *{retried}* is being retried.", bold=True)
    obj.echo(f"Ask how it stands with: {console.command(obj)} status {retried}")


@click.command(
    name="logs",
    help="Show what the tasks of a run wrote. PLACE is a step, and may name splits and a round: train/3, climb-r2.",
)
@click.argument("run-id")
@click.argument("place", required=False)
@click.option("--stdout/--no-stdout", default=False, show_default=True, help="Show stdout only.")
@click.option("--stderr/--no-stderr", default=False, show_default=True, help="Show stderr only.")
@click.option("--both/--no-both", default=True, show_default=True, help="Show both stdout and stderr.")
@click.option("--timestamps/--no-timestamps", default=False, show_default=True, help="Show timestamps.")
@click.option("--attempt", default=None, type=click.IntRange(min=0), help="Attempt to show, in place of the latest.")
@click.option("--follow", is_flag=True, help="Show new lines as they are stored, until the run has ended.")
@click.pass_obj
def show_logs(
    obj: compat.State,
    run_id: str,
    place: str | None,
    stdout: bool,
    stderr: bool,
    both: bool,
    timestamps: bool,
    attempt: int | None,
    follow: bool,
) -> None:
    """Metaflow's stored logs; of a task that has none, what Kubeflow Pipelines says of its pod."""
    asked = [stream for stream, wanted in zip(_STREAMS, (stdout, stderr), strict=True) if wanted]
    streams = asked or (list(_STREAMS) if both else [])
    if not streams:
        raise Refused("--no-both: leaves nothing to show. Add --stdout or --stderr.")
    where = None if place is None else logs.Place.parse(place)
    server = console.server_of(obj)
    steps = compat.steps(obj)
    ended = partial(compat.ended_well, obj)
    look = partial(
        deploy.status, server, obj.flow_identity, obj.pipeline_name, run_id, steps, console.recall(obj), ended
    )
    stands = look()

    def found(stands: deploy.RunStatus) -> list[logs.TaskLogs]:
        failed = [(task.step, task.indexes) for task in stands.tasks if task.error]
        return logs.tasks(obj.flow_datastore, stands.run_id, stands.steps, where, attempt, failed)

    if follow:
        stands = _follow(obj, look, found, streams, timestamps)
        seen = {(task.step, task.path) for task in found(stands)}
    else:
        seen = {(task.step, task.path) for task in _show(obj, found(stands), streams, timestamps)}
    unsaid = [
        task
        for task in stands.tasks
        if task.error
        and (task.step, task.indexes) not in seen
        and (where is None or where.holds(task.step, task.indexes))
    ]
    for task in unsaid:
        console.say(obj, f"{task}: {task.error}")
    if not seen and not unsaid:
        what = "none of its tasks" if place is None else f"no task of {place}"
        raise Refused(f"run {stands.run_id}: {what} has begun. Ask how it stands with: kubeflow-pipelines status.")


def _show(obj: compat.State, found: list[logs.TaskLogs], streams: list[str], timestamps: bool) -> list[logs.TaskLogs]:
    """Print the logs task by task; gives the tasks."""
    for task in found:
        obj.echo(f"Logs of {obj.flow.name}/{task.pathspec}, attempt {task.attempt}", fg="magenta")
        for stream in streams:
            obj.echo(stream, bold=True)
            for line in task.lines(stream):
                console.say(obj, _line(line, timestamps))
    return found


def _follow(
    obj: compat.State,
    look: Callable[[], deploy.RunStatus],
    found: Callable[[deploy.RunStatus], list[logs.TaskLogs]],
    streams: list[str],
    timestamps: bool,
) -> deploy.RunStatus:
    """Print every task's new lines, each behind the task's id, until the run has ended; gives how it ended."""
    follower = logs.Follower(streams)
    while True:
        # Asked before the logs are read: what was stored until the run ended is then among them.
        stands = look()
        for task, line in follower.new(found(stands)):
            console.say(obj, f"{task.task} {_line(line, timestamps)}")
        if stands.state in runs.ENDED:
            return stands
        time.sleep(FOLLOW_SECONDS)


def _line(line: logs.Line, timestamps: bool) -> str:
    return f"{line.written:%Y-%m-%d %H:%M:%S.%f}"[:-3] + f" {line.text}" if timestamps else line.text


COMMANDS: tuple[Any, ...] = (resume, retry, show_logs)
