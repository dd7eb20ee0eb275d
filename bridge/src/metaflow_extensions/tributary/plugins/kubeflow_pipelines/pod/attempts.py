"""Which attempt of a task this pod is.

Kubeflow Pipelines says it in one of two places, by version; but a run retried by hand counts from zero again, and some
installations re-run a node that has no retry at all. So what the datastore holds of the task has the last word: an
attempt that was begun is never written to again.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

_RETRY_SUFFIX = re.compile(r"\((\d+)\)$")


@dataclass(frozen=True)
class History:
    """What the datastore holds of a task: the attempts that began, and whether the last of them ended well."""

    started: frozenset[int]
    finished: bool


@dataclass(frozen=True)
class Attempt:
    """One attempt, and how many retries of the user's code Metaflow is to think of."""

    number: int
    max_user_code_retries: int

    @property
    def has_next(self) -> bool:
        """Whether the user's code has a retry left after this attempt."""
        return self.number < self.max_user_code_retries

    @property
    def is_fallback(self) -> bool:
        """Whether Metaflow runs what @catch puts in place of the user's code."""
        return self.number > self.max_user_code_retries

    def next(self) -> "Attempt":
        """The attempt after this one."""
        return Attempt(self.number + 1, self.max_user_code_retries)


def told(environ: Mapping[str, str]) -> int:
    """The attempt that Kubeflow Pipelines tells: KFP_RETRY_INDEX, else the count at the end of the Argo node's name,
    else 0.
    """
    index = environ.get("KFP_RETRY_INDEX", "")
    if index.isdigit():
        return int(index)
    count = _RETRY_SUFFIX.search(environ.get("TRIBUTARY_NODE", ""))
    return int(count[1]) if count else 0


def resolve(told: int, history: History, user_code_retries: int, error_retries: int) -> Attempt:
    """The attempt to run, at or after what Kubeflow Pipelines tells and after every attempt that began.

    What it tells counts pods: a pod that runs several tasks cannot say which of them its predecessors died of, and
    gives 0 here.

    Past the user's retries a step with @catch goes to its fallback, as Metaflow's own runtime does. A step without one
    is being run again by somebody's wish, so its code runs once more.
    """
    number = max(told, max(history.started, default=-1) + 1)
    return Attempt(number, user_code_retries if error_retries else max(user_code_retries, number))


def resolve_round(told: int, history: History, user_code_retries: int) -> Attempt | None:
    """The attempt of a round of a step that follows itself; None when all are used up.

    Kubeflow Pipelines counts the pods of all rounds together, so the datastore alone says how often a round was tried.
    Past the user's retries its code runs once more only in a pod that somebody started by hand: one that is not told
    to be a further attempt.
    """
    number = max(history.started, default=-1) + 1
    if number > user_code_retries and told > 0:
        return None
    return Attempt(number, max(user_code_retries, number))
