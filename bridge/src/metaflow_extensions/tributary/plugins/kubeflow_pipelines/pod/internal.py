"""What the runner has Metaflow's command line do beside `init` and `step`. Users do not call it."""

# mypy: disable-error-code="untyped-decorator"
# Metaflow's copy of click has no types.

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from metaflow._vendor import click
from metaflow.clone_util import clone_task_helper
from metaflow.datastore.datastore_set import TaskDataStoreSet
from metaflow.exception import MetaflowException

from .ids import PARAMETERS_STEP, gang, task_id
from .ids import run_id as kubeflow_run
from .origin import CLONE_GROUP, ORIGIN_NOTE, Origin, steps_to_rerun

# As many as Metaflow's own resume uses.
WORKERS = 16

# Read of every task of the old run; fetched together.
_ASKED = ("_task_ok", "_foreach_stack", "_iteration_stack", "_control_mapper_tasks")


class NothingToResume(MetaflowException):  # type: ignore[misc]
    """The old run has no parameters: its first step never began."""

    headline = "Nothing to resume"


@click.group()
def cli() -> None:
    """Commands that this extension adds for its own use."""


@cli.group(name=CLONE_GROUP, hidden=True)
def internal() -> None:
    """What the runner calls."""


@internal.command(help="Give a run the parameters and finished tasks of the run that it resumes.")
@click.option("--run-id", required=True)
@click.option("--origin", "origin_text", required=True)
@click.option("--tag", "tags", multiple=True)
@click.pass_obj
def clone(obj: Any, run_id: str, origin_text: str, tags: tuple[str, ...]) -> None:
    """Clone by Metaflow's own function: artifacts are shared, and each task's metadata names its origin."""
    origin = Origin.from_text(origin_text)
    assert origin is not None, "the runner calls this only when there is one"
    obj.metadata.add_sticky_tags(tags=tags)
    obj.metadata.register_run_id(run_id)
    cloned = clone_run(obj.flow.name, obj.graph, obj.flow_datastore, obj.metadata, run_id, origin)
    # --quiet would keep it from the log, where a user looks for what was run again.
    click.echo(f"{obj.flow.name}/{run_id}: {cloned} tasks taken over from {origin.run}")


def clone_run(flow: str, graph: Any, flow_datastore: Any, metadata: Any, run_id: str, origin: Origin) -> int:
    """Clone the parameters, then all tasks that ended well and are not to run again, the first step's last.

    Gives the number of tasks. May be called again for a run in which it was interrupted. NothingToResume when the
    parameters are not there.
    """
    found = TaskDataStoreSet(flow_datastore, origin.run, prefetch_data_artifacts=_ASKED)
    ended_well = [task for task in found if task["_task_ok"]]
    parameters = [task for task in ended_well if task.step_name == PARAMETERS_STEP]
    if not parameters:
        raise NothingToResume(f"run {origin.run} of flow {flow} never began. Start a new run.")

    def clone_task(task: Any, new_id: str) -> None:
        clone_task_helper(
            flow,
            origin.run,
            run_id,
            task.step_name,
            task.task_id,
            new_id,
            flow_datastore,
            metadata,
            origin_ds_set=found,
        )

    parameters_id = task_id(PARAMETERS_STEP, ())
    clone_task(parameters[0], parameters_id)
    note = flow_datastore.get_task_datastore(run_id, PARAMETERS_STEP, parameters_id, attempt=0, mode="w")
    note.save_metadata({ORIGIN_NOTE: origin.run}, add_attempt=False)
    wanted = list(_wanted(graph, ended_well, origin))
    last = [each for each in wanted if each[0].step_name == getattr(graph, "start_step", "start")]
    with ThreadPoolExecutor(WORKERS) as pool:
        for done in [pool.submit(clone_task, *each) for each in wanted if each not in last]:
            done.result()
    for each in last:
        clone_task(*each)
    return len(wanted)


def _wanted(graph: Any, tasks: list[Any], origin: Origin) -> Iterator[tuple[Any, str]]:
    """The tasks to clone, each with its id in the new run. Those at places that the flow no longer has are left, and
    those of a gang of which not all nodes ended well.
    """
    again = steps_to_rerun({node.name: node.out_funcs for node in graph}, origin.step_to_rerun)
    gangs: dict[tuple[str, tuple[int, ...]], list[Any]] = {}
    for task in tasks:
        if task.step_name not in graph or task.step_name in again:
            continue
        path = tuple(frame.index for frame in task["_foreach_stack"])
        node = graph[task.step_name]
        if len(path) != _depth(graph, node):
            continue
        if node.parallel_step:
            # Metaflow counts the nodes of a gang as a foreach.
            gangs.setdefault((task.step_name, path[:-1]), []).append(task)
        else:
            yield task, _id(task, path, origin)
    for (step, path), nodes in gangs.items():
        size = max((len(node.get("_control_mapper_tasks") or ()) for node in nodes), default=0)
        if size == len(nodes):
            names = gang(step, path, size)
            yield from ((node, names[node["_foreach_stack"][-1].index]) for node in nodes)


def _id(task: Any, path: Sequence[int], origin: Origin) -> str:
    """The id that the task has here: its own where that was computed too, else by its place."""
    if origin.run.startswith(kubeflow_run("")):
        return str(task.task_id)
    rounds = task.get("_iteration_stack", ())
    return task_id(task.step_name, path, rounds[-1] if rounds else 0)


def _depth(graph: Any, node: Any) -> int:
    """The number of foreaches around a step. Metaflow counts a join among its split's children; its task stands
    outside.
    """
    around = node.split_parents[:-1] if node.type == "join" else node.split_parents
    return sum(graph[name].type == "foreach" for name in around)
