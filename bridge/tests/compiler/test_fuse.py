"""Which steps share a pod, and which splits do."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from bridge.tests.lib.attributes import REFUSED, REFUSED_ALONE, VALUES, flow_with, settled
from bridge.tests.lib.graphs import TARGET, decorated, flow, kubernetes, with_step
from bridge.tests.lib.interpreter import Container, Interpreter
from bridge.tests.lib.walks import Asked, Runner, compiled, walk
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.compiler.fuse import alike, fuse
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.compiler.ir import Flow, Step, Target
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.compiler.structure import (
    Block,
    Choose,
    Each,
    Fork,
    Run,
    structure,
)
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.describe import Ownership, StoredCode, deployment
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.pod.outputs import write_splits

FUSED = replace(TARGET, fuse=True, splits_per_pod=None)
LINEAR = flow("start > a\na > b\nb > end")
BRANCH = flow("start > a\na > x y\nx > x2\nx2 > join\ny > join\njoin > end")
BODY = flow("start * a\na > b\nb > join\njoin > end")
NESTED = flow(
    "start * pre\npre > fan\nfan * work\nwork > join_work\njoin_work > post\npost > join_outer\njoin_outer > end"
)


def shape(block: Block) -> list[Any]:
    """A block in words: the steps of a pod are one word, with a + where splits may be batched."""
    found: list[Any] = []
    for part in block:
        match part:
            case Run(step, then, batched, _):
                found.append(",".join(each.name for each in (step, *then)) + ("+" if batched else ""))
            case Fork(branches):
                found.append([shape(branch) for branch in branches])
            case Each(_, body):
                found.append({"each": shape(body)})
            case Choose(_, arms, _):
                found.append({arm: shape(block) for arm, block in arms.items()})
    return found


def fused(whole: Flow, target: Target = FUSED) -> list[Any]:
    return shape(fuse(structure(whole), target))


def changed(whole: Flow, name: str, **changes: Any) -> Flow:
    return with_step(whole, replace(whole.steps[name], **changes))


def test_a_chain_of_like_steps_is_one_pod() -> None:
    assert fused(LINEAR) == ["start,a,b,end"]


def test_the_last_step_of_a_chain_may_split_and_the_first_may_join() -> None:
    assert fused(BRANCH) == ["start,a", [["x,x2"], ["y"]], "join,end"]
    assert fused(NESTED) == ["start", {"each": ["pre,fan+", {"each": ["work"]}, "join_work,post"]}, "join_outer,end"]


def test_a_body_of_like_steps_is_iterated_on_one_pod() -> None:
    assert fused(BODY) == ["start+", {"each": ["a,b"]}, "join,end"]


def test_nothing_is_fused_or_batched_against_the_users_will() -> None:
    assert fused(BODY, replace(FUSED, fuse=False)) == ["start", {"each": ["a", "b"]}, "join", "end"]
    assert fused(BODY, replace(FUSED, splits_per_pod=1)) == ["start", {"each": ["a,b"]}, "join,end"]


@pytest.mark.parametrize(
    "changes",
    [
        {"retries": 1},
        {"retries": 0, "fallbacks": 1},
        {"minutes_between_retries": 3},
        {"interpreter": "env/bin/python"},
        {"bootstrap": ("make it",)},
        {"timeout_seconds": 60},
        {"gang": True},
        {"environment": {"METAFLOW_X": "1"}},
        {"environment": {"AWS_REGION": "there"}},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_a_step_that_is_tried_or_begun_otherwise_has_a_pod_of_its_own(changes: Mapping[str, Any]) -> None:
    assert fused(changed(LINEAR, "b", **changes)) == ["start,a", "b", "end"]


@pytest.mark.parametrize(
    "attributes",
    [{"cpu": "2"}, {"image": "other"}, {"labels": {"team": "blue"}}, {"use_tmpfs": True, "tmpfs_size": 10}],
    ids=lambda attributes: next(iter(attributes)),
)
def test_a_step_with_another_pod_is_not_fused(attributes: Mapping[str, Any]) -> None:
    other: Step = decorated(LINEAR.steps["b"], kubernetes(**attributes))
    assert fused(with_step(LINEAR, other)) == ["start,a", "b", "end"]


# What two steps may each have in a way of their own, in one pod: what their processes read, and, the same for all of
# a run, the service account.
OF_A_TASK = ("card", "environment", "secrets")
CASES = [
    (decorator, attribute)
    for decorator, values in VALUES.items()
    for attribute, (_, _, place) in values.items()
    if decorator != "pytorch_parallel" and place not in (REFUSED, REFUSED_ALONE)
]


@pytest.mark.parametrize(("decorator", "attribute"), CASES)
def test_every_attribute_of_a_pod_and_of_its_attempts_tells_two_steps_apart(decorator: str, attribute: str) -> None:
    value, besides, _ = VALUES[decorator][attribute]
    usual = settled(flow_with(decorator if besides or decorator == "retry" else None, besides)).steps["start"]
    other = settled(flow_with(decorator, {**besides, attribute: value})).steps["end"]
    assert alike(usual, other, FUSED) == (decorator in OF_A_TASK or attribute == "service_account")


def test_steps_with_folders_in_memory_do_not_share_them() -> None:
    whole = LINEAR
    for name in LINEAR.steps:
        whole = with_step(whole, decorated(whole.steps[name], kubernetes(shared_memory=64)))
    assert fused(whole) == ["start", "a", "b", "end"]


@pytest.mark.parametrize("splits_per_pod", [None, 3])
@pytest.mark.parametrize("one", [True, False])
def test_nor_do_the_splits_of_a_foreach(splits_per_pod: int | None, one: bool) -> None:
    whole = flow("start * a\na > join\njoin > end") if one else BODY
    last = "a" if one else "b"
    batched = replace(FUSED, splits_per_pod=splits_per_pod)
    assert fused(whole, batched) == ["start+", {"each": ["a" if one else "a,b"]}, "join,end"]
    whole = with_step(whole, decorated(whole.steps[last], kubernetes(use_tmpfs=True, tmpfs_size=64)))
    assert fused(whole, batched) == ["start", {"each": ["a"] if one else ["a", "b"]}, "join,end"]


def test_steps_with_equal_retries_and_other_variables_share_a_pod() -> None:
    whole = LINEAR
    for number, name in enumerate(LINEAR.steps):
        whole = changed(whole, name, retries=2, minutes_between_retries=1, environment={"NUMBER": str(number)})
    assert fused(whole) == ["start,a,b,end"]


def test_a_wide_foreach_has_no_more_pods_than_may_run_at_a_time() -> None:
    started: list[str] = []
    text = compiled(BODY, replace(FUSED, max_workers=3))
    ran = walk(text, lambda step, path: 10)
    assert sorted(ran) == sorted(
        [("start", ()), *((step, (index,)) for step in "ab" for index in range(10)), ("join", ()), ("end", ())]
    )

    def count(container: Container) -> int:
        asked = Asked.of(container)
        started.append(",".join(asked.steps))
        if asked.splits_file is not None:
            write_splits(asked.splits_file, 10, asked.batches)
        return 0

    Interpreter(text, count).run()
    assert started == ["start", "a,b", "a,b", "a,b", "join,end"]


@pytest.mark.parametrize(
    ("choice", "pods"),
    [
        ({"fuse": False, "splits_per_pod": 1}, 40),
        ({}, 30),
        ({"splits_per_pod": 2}, 26),
        ({"splits_per_pod": 3}, 22),
    ],
    ids=["nothing shared", "as it is", "two splits in a pod", "three splits in a pod"],
)
def test_seventeen_tasks_of_a_foreach_in_a_foreach_take_so_many_pods(choice: dict[str, Any], pods: int) -> None:
    """A foreach of two over a foreach of three. metaflow-kubeflow's scheme takes 46."""
    record = deployment(NESTED, FUSED, StoredCode("s3://bucket/code", "0", "{}"), Ownership("tester", ""))
    runner = Runner(record.steps, lambda step, _: {"start": 2, "fan": 3}[step], lambda _, ways: ways[0])
    run = Interpreter(compiled(NESTED, replace(FUSED, max_workers=100, **choice)), runner)
    run.run()
    assert (len(runner.ran), run.pods) == (17, pods)


def test_five_hundred_fused_steps_are_one_task() -> None:
    chain = [f"s{number:03} > s{number + 1:03}" for number in range(499)]
    assert len(compiled(flow("\n".join(["start > s000", *chain, "s499 > end"])), FUSED)) < 8_000
