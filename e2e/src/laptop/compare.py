"""Two runs of one flow, task by task. A run on the laptop is the oracle of a run on the cluster."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

Place = tuple[str, tuple[int, ...]]


@dataclass(frozen=True)
class SeenTask:
    """One task as a client sees it: its pathspec, the attempt that counts, its artifacts by name."""

    pathspec: str
    attempt: int
    artifacts: dict[str, Any]


def tasks(run: Any) -> dict[Place, SeenTask]:
    """All tasks of a metaflow.Run, by step and foreach index path. Two tasks at one place raise ValueError."""
    seen: dict[Place, SeenTask] = {}
    for step in run:
        for task in step:
            place = (step.id, _indices(task))
            if place in seen:
                raise ValueError(f"{seen[place].pathspec} and {task.pathspec} stand at the same place {place}")
            values = {artifact.id: artifact.data for artifact in task}
            seen[place] = SeenTask(task.pathspec, task.current_attempt, values)
    return seen


def differences(here: Any, there: Any) -> list[str]:
    """What a run on the cluster has otherwise than the run on the laptop, a sentence each; empty when equal."""
    wanted, found = tasks(here), tasks(there)
    wrong = [f"{place}: only on the laptop" for place in sorted(wanted.keys() - found.keys())]
    wrong += [f"{place}: only on the cluster" for place in sorted(found.keys() - wanted.keys())]
    for place in sorted(wanted.keys() & found.keys()):
        wrong += [f"{place}: {what}" for what in _task_differences(wanted[place], found[place])]
    return wrong


def _task_differences(wanted: SeenTask, found: SeenTask) -> Iterator[str]:
    if wanted.attempt != found.attempt:
        yield f"attempt {wanted.attempt} on the laptop, {found.attempt} on the cluster"
    if names := _one_sided(wanted.artifacts, found.artifacts):
        yield f"artifacts on one side only: {names}"
    for name in sorted(wanted.artifacts.keys() & found.artifacts.keys()):
        if not equal(wanted.artifacts[name], found.artifacts[name]):
            yield f"artifact {name!r}: {wanted.artifacts[name]!r} on the laptop, {found.artifacts[name]!r} there"


def equal(a: Any, b: Any) -> bool:
    """Equality of two loaded artifacts: arrays by array_equal, models by their predictions, the rest by ==.

    Of an exception that @catch kept, the type and the message count; its stack is that of another machine.
    """
    if type(a) is not type(b):
        return False
    if hasattr(a, "predict"):
        return _predicts_alike(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(equal(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(equal, a, b))
    if hasattr(a, "__array__"):
        import numpy

        return bool(numpy.array_equal(a, b))
    if type(a).__name__ == "MetaflowExceptionWrapper":
        return bool(a.type == b.type) and _message(a.exception) == _message(b.exception)
    if isinstance(a, BaseException):
        return str(a) == str(b)
    if vars_a := getattr(a, "__dict__", None):
        return equal(vars_a, b.__dict__)
    return bool(a == b)


def _message(text: str) -> str:
    """The first line: behind it @timeout quotes the stack down to the program that called Metaflow."""
    return text.split("\n", 1)[0]


def _predicts_alike(a: Any, b: Any) -> bool:
    import numpy

    width = getattr(a, "n_features_in_", None)
    if width is None:
        raise TypeError(f"a model of type {type(a).__name__} does not say how many features it takes")
    inputs = numpy.random.default_rng(7).uniform(0, 16, size=(200, width))
    return bool(numpy.array_equal(a.predict(inputs), b.predict(inputs)))


def _indices(task: Any) -> tuple[int, ...]:
    """The foreach index path of a task: () outside any foreach. A join stands outside the foreach it closes."""
    frames: Iterable[Any] = task["_foreach_stack"].data if "_foreach_stack" in task else ()
    return tuple(frame.index for frame in frames)


def _one_sided(a: dict[str, Any], b: dict[str, Any]) -> list[str]:
    return sorted(a.keys() ^ b.keys())
