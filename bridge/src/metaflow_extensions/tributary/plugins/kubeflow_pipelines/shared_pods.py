"""Pods that run several tasks: which these are, and what is known of each of them."""

import json
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import product
from typing import Any

from .names import STEP_INPUT, index_input
from .pod.ids import task_id

Place = tuple[str, tuple[int, ...]]
"""A task: its step, and its indexes in the foreaches around it."""

Ended = Callable[[Sequence[Place]], Collection[Place]]
"""Gives those of the tasks that ended well."""

Look = Callable[[Sequence[tuple[str, str, str]]], Collection[tuple[str, str, str]]]
"""Gives those of the tasks (run, step, id) that ended well."""

# The task in the last word of a pod that failed: FLOW/RUN/STEP/t-STEP-INDEX-...
_FAILED = re.compile(r"\S+/\S+/(?P<step>\w+)/t-(?P=step)(?P<indexes>(?:-\d+)*)(?:-r\d+)?, attempt \d+: ")


def asked(node: Mapping[str, Any]) -> tuple[Place, ...]:
    """The tasks that a pod was asked to run, in order: Argo keeps what Kubeflow Pipelines handed to its launcher. Empty
    where a node does not say, as that of a driver.
    """
    given = {each["name"]: each.get("value") for each in (node.get("inputs") or {}).get("parameters") or ()}
    try:
        ((container, *_), *_) = (json.loads(given["pod-spec-patch"])["containers"],)
        words = container["command"]
        values = json.loads(words[words.index("--executor_input") + 1])["inputs"]["parameterValues"]
        steps = values[STEP_INPUT].split(",")
    except (KeyError, TypeError, ValueError):
        return ()
    ranges: list[range] = []
    while (index := values.get(index_input(len(ranges)))) is not None:
        first, _, end = index.partition(":")
        ranges.append(range(int(first), int(end or int(first) + 1)))
    return tuple((step, path) for path in product(*ranges) for step in steps)


def failed(message: str) -> Place | None:
    """The task that a pod's last word names."""
    said = _FAILED.search(message)
    return None if said is None else (said["step"], tuple(int(index) for index in said["indexes"].split("-")[1:]))


def before(places: Sequence[Place], place: Place) -> list[Place]:
    """Those of the tasks that had ended well when this one began: the steps before it in its chain."""
    return [each for each in places[: places.index(place)] if each[1] == place[1]]


def in_datastore(run: str, look: Look) -> Ended:
    """Looks for the tasks of this run."""

    def ended(places: Sequence[Place]) -> Collection[Place]:
        tasks = {(run, step, task_id(step, path)): (step, path) for step, path in places}
        return {tasks[task] for task in look(list(tasks)) if task in tasks}

    return ended


def none_known(_places: Sequence[Place]) -> Collection[Place]:
    """For where no datastore is asked."""
    return ()


def unseen(_tasks: Sequence[tuple[str, str, str]]) -> Collection[tuple[str, str, str]]:
    """The same, by ids."""
    return ()
