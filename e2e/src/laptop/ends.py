"""How runs end, on Kubeflow's side and on Metaflow's."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from laptop.compare import Place, SeenTask, tasks
from laptop.eventually import eventually
from laptop.shell import Laptop

ENDS_WITHIN = 900.0
ENDED = ("SUCCEEDED", "FAILED", "CANCELED", "SKIPPED")


def end_state(kubeflow: Any, run_id: str, *, within: float = ENDS_WITHIN) -> str:
    """Wait for the end of a run, by kfp.Client; gives its state. Raises NotYet."""
    state = ""

    def not_ended() -> str | None:
        nonlocal state
        state = kubeflow.get_run(run_id.removeprefix("kfp-")).state
        return None if state in ENDED else f"{run_id} is {state}"

    eventually(not_ended, within=within)
    return state


@dataclass
class Ended:
    """How a run ended, once it has."""

    state: str = ""


@contextmanager
def end_again(kubeflow: Any, run_id: str, *, within: float = ENDS_WITHIN) -> Iterator[Ended]:
    """Around what continues a run that ended: waits until it goes on, and then for its end. Raises NotYet."""
    ended = Ended()
    before = _history(kubeflow, run_id)
    yield ended
    # Kubeflow may begin the history of such a run anew, so it need not grow.
    eventually(lambda: None if _history(kubeflow, run_id) != before else f"{run_id} does not go on", within=60)
    ended.state = end_state(kubeflow, run_id, within=within)


def _history(kubeflow: Any, run_id: str) -> list[tuple[str, Any]]:
    """The states that the run has had, each with when."""
    found = kubeflow.get_run(run_id.removeprefix("kfp-")).state_history
    return [(one.state, one.update_time) for one in found]


def status(laptop: Laptop, flow: Path, run_id: str) -> dict[str, Any]:
    """What `kubeflow-pipelines status RUN --json` prints."""
    printed = laptop.flow(flow, "kubeflow-pipelines", "status", run_id, "--json").out
    found: dict[str, Any] = json.loads(printed[printed.index("{") :])
    return found


def errors(stands: dict[str, Any]) -> dict[str, str]:
    """What `status` says is wrong, by step with its indexes."""
    return {
        f"{task['step']}{''.join(f'[{index}]' for index in task['indexes'])}": task["error"]
        for task in stands["tasks"]
        if task["error"]
    }


def done_once(run: Any) -> dict[Place, SeenTask]:
    """The tasks of a metaflow.Run that are recorded as done. One that is recorded so twice raises AssertionError."""
    found: dict[Place, SeenTask] = {}
    for place, task in tasks(run, lambda task: ()).items():
        times = task.outcomes["attempt_ok", "True"]
        assert times <= 1, f"{place} is recorded as done {times} times"
        if times:
            found[place] = task
    return found
