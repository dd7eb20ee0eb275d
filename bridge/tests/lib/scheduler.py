"""Metaflow's local scheduler without processes: the rules by which metaflow/runtime.py queues tasks, on Metaflow's own
graph.
"""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from metaflow_extensions.tributary.plugins.kubeflow_pipelines.pod.inputs import TaskPlace

Width = Callable[[str, tuple[int, ...]], int]
"""How many splits a foreach step's task has, by its index path."""

Choice = Callable[[TaskPlace, Sequence[str]], str]
"""Which of these steps a switch's task chooses."""

Frames = tuple[tuple[int, int], ...]
"""Index and width of every foreach around a task."""


def schedule(graph: Any, width: Width, choice: Choice) -> dict[TaskPlace, list[TaskPlace]]:
    """All tasks of a run in the order in which they end, each with its inputs."""
    ran: dict[TaskPlace, list[TaskPlace]] = {}
    finished: dict[tuple[str, Frames], TaskPlace] = {}
    queue: deque[tuple[str, Frames, int, list[TaskPlace]]] = deque([(graph.start_step, (), 0, [])])
    while queue:
        name, frames, round, read = queue.popleft()
        node = graph[name]
        task = TaskPlace(name, tuple(index for index, _ in frames), round)
        assert task not in ran, f"{task} runs twice"
        ran[task] = read
        if name == graph.end_step:
            continue
        following = list(node.out_funcs)
        if node.type == "split-switch":
            following = [choice(task, node.out_funcs)]
            if following == [name]:
                queue.append((name, frames, round + 1, [task]))
                continue
        finished[name, frames] = task
        if graph[following[0]].type == "join":
            (join,) = following
            if (ready := _ready(graph, join, frames, finished)) is not None:
                queue.append((join, *ready))
        elif node.type == "foreach":
            splits = width(name, task.path)
            queue.extend((following[0], (*frames, (index, splits)), 0, [task]) for index in range(splits))
        else:
            queue.extend((each, frames, 0, [task]) for each in following)
    assert graph.end_step in {task.step for task in ran}, "the run never came to its end"
    return ran


def _ready(
    graph: Any, join: str, frames: Frames, finished: dict[tuple[str, Frames], TaskPlace]
) -> tuple[Frames, int, list[TaskPlace]] | None:
    """The join's own frames, round and inputs; None while it must wait for more of them."""
    split = graph[graph[join].split_parents[-1]]
    if split.type != "foreach":
        found = [finished[each, frames] for each in graph[join].in_funcs if (each, frames) in finished]
        return (frames, 0, found) if len(found) == len(split.out_funcs) else None
    *outer, (_, splits) = frames
    siblings = [(*outer, (index, splits)) for index in range(splits)]
    found = [finished[each, at] for at in siblings for each in graph[join].in_funcs if (each, at) in finished]
    return (tuple(outer), 0, found) if len(found) == splits else None
