"""Names of runs and tasks, computed from what every pod knows, so that no pod has to be told another's.

A task's id is `t-<step>` and then `-<index>` for every enclosing foreach, outermost first: `t-start`, `t-train-3`,
`t-score-3-0`. The further rounds of a step that follows itself end in `-r1`, `-r2`, … It can be read, it is unique in
its run, and it is never all digits, which Metaflow takes for an id that the service gave out. Step names are Python
names and hold no dash, so two tasks never meet.
"""

from collections.abc import Sequence

PARAMETERS_STEP = "_parameters"


def run_id(kubeflow_run_id: str) -> str:
    """Metaflow's run id for a run of Kubeflow Pipelines."""
    return f"kfp-{kubeflow_run_id}"


def task_id(step: str, path: Sequence[int], round: int = 0) -> str:
    """The id of a step's task at an index path, and in this round of a step that follows itself."""
    return "-".join(("t", step, *map(str, path), *([f"r{round}"] if round else [])))


def pathspec(run: str, step: str, path: Sequence[int], round: int = 0) -> str:
    """The task as Metaflow's `step` command names its inputs: run/step/task."""
    return f"{run}/{step}/{task_id(step, path, round)}"


def gang(step: str, path: Sequence[int], nodes: int) -> list[str]:
    """The ids of a @parallel step's tasks, node 0 first, named as Metaflow's Argo integration names them."""
    return gang_of(f"control-{task_id(step, path)}-0", nodes)


def gang_of(control: str, nodes: int) -> list[str]:
    """The ids of the tasks of the gang that this control task speaks for."""
    task = control.removeprefix("control-").removesuffix("-0")
    return [control, *(f"worker-{task}-{worker}" for worker in range(nodes - 1))]
