"""Which attempt a pod is: what Kubeflow Pipelines says, corrected by what the datastore holds."""

import pytest

from metaflow_extensions.tributary.plugins.kubeflow_pipelines.pod.attempts import (
    Attempt,
    History,
    resolve,
    resolve_round,
    told,
)

NODE = "TRIBUTARY_NODE"


@pytest.mark.parametrize(
    ("environ", "attempt"),
    [
        ({}, 0),
        ({NODE: "flow-x.root.train.executor"}, 0),
        ({NODE: "flow-x.root.train.executor(0)"}, 0),
        ({NODE: "flow-x.root.train.executor(2)"}, 2),
        ({NODE: "flow-x.root.loop.iteration-item(3:3).executor"}, 0),
        ({NODE: "flow-x.root.loop.iteration-item(3:3).executor(1)"}, 1),
        ({NODE: "flow-x.executor(1)", "KFP_RETRY_INDEX": "3"}, 3),
        ({NODE: "flow-x.executor(1)", "KFP_RETRY_INDEX": ""}, 1),
    ],
)
def test_what_the_pod_is_told(environ: dict[str, str], attempt: int) -> None:
    assert told(environ) == attempt


@pytest.mark.parametrize(
    ("node", "started", "retries", "wanted"),
    [
        pytest.param("x(0)", set(), (2, 0), Attempt(0, 2), id="first"),
        pytest.param("x(1)", {0}, (2, 0), Attempt(1, 2), id="second"),
        pytest.param("x(1)", set(), (2, 0), Attempt(1, 2), id="second, the first died before it wrote anything"),
        pytest.param("x(0)", {0}, (2, 0), Attempt(1, 2), id="first again: the run was retried by hand"),
        pytest.param("x(0)", {0, 1, 2}, (2, 0), Attempt(3, 3), id="retried by hand after all retries: the code runs"),
        pytest.param("x", {0}, (0, 0), Attempt(1, 1), id="run again though it has no retry: the code runs"),
        pytest.param("x(1)", {0}, (0, 3), Attempt(1, 0), id="@catch, the pod died whole: fallback"),
        pytest.param("x(1)", {0}, (1, 3), Attempt(1, 1), id="@catch with a retry left"),
    ],
)
def test_the_attempt_to_run(node: str, started: set[int], retries: tuple[int, int], wanted: Attempt) -> None:
    assert resolve(told({NODE: node}), History(frozenset(started), finished=False), *retries) == wanted


def test_what_a_pod_of_several_tasks_is_told_says_nothing_of_one_of_them() -> None:
    assert resolve(0, History(frozenset(), finished=False), 2, 0) == Attempt(0, 2)
    assert [Attempt(number, 1).has_next for number in range(3)] == [True, False, False]


def test_an_attempt_past_the_users_retries_is_the_fallback() -> None:
    assert not Attempt(1, 1).is_fallback
    assert Attempt(1, 1).next() == Attempt(2, 1)
    assert Attempt(2, 1).is_fallback


@pytest.mark.parametrize(
    ("started", "told", "wanted"),
    [
        ([], 0, Attempt(0, 1)),
        ([], 3, Attempt(0, 1)),
        ([0], 1, Attempt(1, 1)),
        ([0, 1], 1, None),
        ([0, 1], 0, Attempt(2, 2)),
    ],
)
def test_the_attempts_of_a_round_are_counted_by_what_was_stored(
    started: list[int], told: int, wanted: Attempt | None
) -> None:
    """A pod's own count is that of all rounds in it; only its first pod may go past the user's retries."""
    found = resolve_round(told, History(frozenset(started), finished=False), user_code_retries=1)
    assert found == wanted
