"""Two runs of one flow, task by task. A run on the laptop is the oracle of a run on the cluster."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from laptop.card_pages import content
from laptop.equality import equal

# What Metaflow writes down of each attempt that came to its end. The rest of a task's metadata says where it ran.
OUTCOMES = ("attempt-done", "attempt_ok")
# Tags that a run has for where and when it ran, and for the deployment that started it. The others say what it is.
OF_THE_PLACE = ("date:", "metaflow_", "production:", "python_", "r_metaflow_", "runtime:", "user:")
# The artifact that Metaflow gives to the first node of a gang, and to no other task.
OF_FIRST_NODES = "_control_mapper_tasks"
GRAPH = "_graph_info"
# What @catch prints: a traceback that names the folders of the machine.
_OF_CATCH = ("@catch caught an exception from ", ">  ")
# What @checkpoint prints of the one that it loads: where and when it was stored.
_OF_CHECKPOINT = ("\t[pathspec] ", "\t[key] ", "\t[created on] ", "\t[url] ")
# When @timeout ends a step, it says so behind the time of day.
_TIME_OF_DAY = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} ")
_ROUND = re.compile(r"-r(\d+)$")


class Place(NamedTuple):
    """Where a task stands: its step, its index in each foreach around it, and its round where it repeats itself."""

    step: str
    indexes: tuple[int, ...] = ()
    round: int = 0

    def __str__(self) -> str:
        repeated = f" round {self.round}" if self.round else ""
        return f"{self.step}{''.join(f'[{index}]' for index in self.indexes)}{repeated}"


@dataclass(frozen=True)
class SeenTask:
    """One task as a client sees it."""

    pathspec: str
    attempt: int
    artifacts: dict[str, Any]
    index: int | None
    stack: tuple[tuple[Any, ...], ...]
    stdout: tuple[str, ...]
    stderr: tuple[str, ...]
    tags: frozenset[str]
    outcomes: Counter[tuple[str, str]]
    cards: tuple[tuple[Any, ...], ...]
    parents: frozenset[Place]
    children: frozenset[Place]


# Gives the cards of a metaflow.Task.
Cards = Callable[[Any], Iterable[Any]]


def tasks(run: Any, cards: Cards) -> dict[Place, SeenTask]:
    """All tasks of a metaflow.Run by their places. Two tasks at one place raise ValueError."""
    found: dict[Place, Any] = {}
    for step in run:
        for place, task in _places(step):
            if place in found:
                raise ValueError(f"{found[place].pathspec} and {task.pathspec} stand at the same place {place}")
            found[place] = task
    of_pathspec = {task.pathspec: place for place, task in found.items()}
    return {place: _seen(task, of_pathspec, cards) for place, task in found.items()}


def differences(here: Any, there: Any, cards: Cards) -> list[str]:
    """What a run on the cluster has otherwise than the run on the laptop, a sentence each; empty when equal."""
    wanted, found = tasks(here, cards), tasks(there, cards)
    wrong = []
    if _tags(here) != _tags(there):
        wrong.append(f"tags {sorted(_tags(here))} on the laptop, {sorted(_tags(there))} on the cluster")
    wrong += [f"{place}: only on the laptop" for place in sorted(wanted.keys() - found.keys())]
    wrong += [f"{place}: only on the cluster" for place in sorted(found.keys() - wanted.keys())]
    for place in sorted(wanted.keys() & found.keys()):
        wrong += [f"{place}: {what}" for what in _task_differences(wanted[place], found[place])]
    return wrong


def _task_differences(wanted: SeenTask, found: SeenTask) -> Iterator[str]:
    for what in ("attempt", "index", "stack", "stdout", "stderr", "outcomes", "cards"):
        a, b = getattr(wanted, what), getattr(found, what)
        if a != b:
            yield f"{what} {_plain(a)} on the laptop, {_plain(b)} on the cluster"
    if wanted.tags != found.tags:
        yield f"tags {sorted(wanted.tags)} on the laptop, {sorted(found.tags)} on the cluster"
    for what in ("parents", "children"):
        a, b = getattr(wanted, what), getattr(found, what)
        if a != b:
            yield f"{what} {_listed(a)} on the laptop, {_listed(b)} on the cluster"
    if names := sorted(wanted.artifacts.keys() ^ found.artifacts.keys()):
        yield f"artifacts on one side only: {names}"
    for name in sorted(wanted.artifacts.keys() & found.artifacts.keys()):
        if not equal(wanted.artifacts[name], found.artifacts[name]):
            yield f"artifact {name!r}: {wanted.artifacts[name]!r} on the laptop, {found.artifacts[name]!r} there"


def _said(stdout: str) -> tuple[str, ...]:
    """The lines that must be the same on any machine at any time."""
    of_the_place = _OF_CATCH + _OF_CHECKPOINT
    return tuple(_TIME_OF_DAY.sub("", line) for line in stdout.splitlines() if not line.startswith(of_the_place))


def _ends(task: Any) -> Iterator[Any]:
    """What is written down of attempts that ended. Of the first node of a gang, of its last attempt only: when another
    node fails, a laptop's first node fails with it, and in pods, as in Metaflow's own gangs there, each says its own.
    """
    ends = [each for each in task.metadata if each.name in OUTCOMES]
    if OF_FIRST_NODES not in task:
        return iter(ends)
    # The client does not tell which attempt a record is of. Attempts end one after the other.
    return iter({each.name: each for each in sorted(ends, key=lambda each: each.created_at)}.values())


def _warned(task: Any) -> tuple[str, ...]:
    """What a task wrote to its standard error. Where something failed, that is a traceback with a machine's folders."""
    return () if task.current_attempt or not task.successful else tuple(task.stderr.splitlines())


def _tags(of: Any) -> frozenset[str]:
    return frozenset(of.user_tags) | {tag for tag in of.system_tags if not tag.startswith(OF_THE_PLACE)}


def _seen(task: Any, of_pathspec: dict[str, Place], cards: Cards) -> SeenTask:
    return SeenTask(
        pathspec=task.pathspec,
        attempt=task.current_attempt,
        artifacts={artifact.id: artifact.data for artifact in task},
        index=task.index,
        stack=tuple(tuple(frame) for frame in _stack(task)),
        stdout=_said(task.stdout),
        stderr=_warned(task),
        tags=frozenset(task.user_tags),
        outcomes=Counter((each.name, each.value) for each in _ends(task)),
        # A card's own id is chosen by the user; its order among its kind is that of the store.
        cards=tuple(sorted(map(_card, cards(task)), key=repr)),
        # The client looks into the task's graph for these, which a task that was killed has not stored.
        parents=frozenset(of_pathspec[each.pathspec] for each in (task.parent_tasks if GRAPH in task else ())),
        children=frozenset(of_pathspec[each.pathspec] for each in (task.child_tasks if GRAPH in task else ())),
    )


def _card(card: Any) -> tuple[Any, ...]:
    return (card.type, card.id, content(card.type, card.get()))


def _places(step: Any) -> Iterator[tuple[Place, Any]]:
    """The tasks of a step with their places.

    On the cluster a further round of a step that repeats itself says so in its id. On a laptop ids are counted, so
    among the tasks with the same indexes the order of their ids is that of the rounds.
    """
    counted: Counter[tuple[int, ...]] = Counter()
    for task in sorted(step, key=lambda task: int(task.id) if task.id.isdecimal() else 0):
        indexes = tuple(frame.index for frame in _stack(task))
        if task.id.isdecimal():
            yield Place(step.id, indexes, counted[indexes]), task
            counted[indexes] += 1
        else:
            match = _ROUND.search(task.id)
            yield Place(step.id, indexes, int(match[1]) if match else 0), task


def _stack(task: Any) -> Iterable[Any]:
    """The frames of the foreaches around a task: none outside any. A join stands outside the foreach that it closes."""
    return task["_foreach_stack"].data if "_foreach_stack" in task else ()


def _listed(places: Iterable[Place]) -> str:
    return ", ".join(map(str, sorted(places))) or "none"


def _plain(value: Any) -> Any:
    return sorted(value.elements()) if isinstance(value, Counter) else value
