"""The cards of tasks, as Metaflow's client reads them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


class StoredCards:
    """Gives the cards of a metaflow.Task by `get_cards`, for those tasks that have any.

    Metaflow's own asking starts two processes for each task, which takes over a second where there is no card. One
    listing of a run tells who has cards. The place of cards is that of CardDatastore in Metaflow, since June 2022.
    """

    def __init__(self) -> None:
        self._having: dict[str, frozenset[str]] = {}

    def __call__(self, task: Any) -> Iterable[Any]:
        """The cards of a task. A file at a place that Metaflow gives to no card raises ValueError."""
        from metaflow.cards import get_cards

        flow, run_id, *_ = task.pathspec.split("/")
        run = f"{flow}/{run_id}"
        if run not in self._having:
            self._having[run] = having_cards(flow, run_id, _listed(flow, run_id))
        return list(get_cards(task)) if task.pathspec in self._having[run] else ()


def having_cards(flow: str, run_id: str, files: Iterable[str]) -> frozenset[str]:
    """The pathspecs of the tasks with cards, of files below the root of a run's cards.

    A file at a place that Metaflow gives to no card raises ValueError.
    """
    found = set()
    for file in files:
        match file.split("/"):
            case ["steps", step, "tasks", task, "cards", _]:
                found.add(f"{flow}/{run_id}/{step}/{task}")
            case ["steps", _, "tasks", _, "runtime", _]:  # what is drawn while a task runs
                pass
            case _:
                raise ValueError(f"{file} is at no place that Metaflow gives to a card of {flow}/{run_id}")
    return frozenset(found)


def _listed(flow: str, run_id: str) -> list[str]:
    from metaflow import S3
    from metaflow.metaflow_config import CARD_S3ROOT

    with S3(s3root=f"{CARD_S3ROOT}/{flow}/runs/{run_id}") as store:
        return [each.key for each in store.list_recursive()]
