"""What is guessed of a run's size, and what is said when it is too large."""

from dataclasses import replace

from bridge.tests.lib.graphs import TARGET, flow
from bridge.tests.lib.walks import PAYLOAD
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.compiler.emit import MOST_BATCHES, Documents, emit
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.compiler.fuse import fuse
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.compiler.ir import Flow, Target
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.compiler.size import estimate, note, problems, widest
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.compiler.structure import structure
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.compiler.wiring import wire

FUSED = replace(TARGET, fuse=True, splits_per_pod=None, max_workers=100)
WIDE = flow("start * a\na > join\njoin > end")
TWO_LEVELS = flow("start * a\na * b\nb > join_b\njoin_b > join\njoin > end")


def documents(whole: Flow, target: Target) -> Documents:
    return emit(whole, wire(whole, fuse(structure(whole), target), target.loops), target, PAYLOAD)


def chain(length: int) -> Flow:
    steps = [f"s{number:03} > s{number + 1:03}" for number in range(length - 1)]
    return flow("\n".join(["start > s000", *steps, f"s{length - 1:03} > end"]))


def test_many_steps_fit_only_when_they_share_pods() -> None:
    whole = chain(900)
    (problem,) = problems(whole, documents(whole, TARGET), TARGET)
    assert "which keeps 1,048,576 of a run at most. Leave --no-fuse out, or give steps" in str(problem)
    assert problems(whole, documents(whole, FUSED), FUSED) == []


def test_a_step_more_costs_what_its_task_and_its_pods_do() -> None:
    short, long = (estimate(documents(chain(length), TARGET), TARGET) for length in (50, 150))
    assert 1_200 < (long.spec - short.spec) / 100 < 2_500
    assert 200 < (long.nodes - short.nodes) / 100 < 700


def test_ten_thousand_splits_fit_in_batches_and_not_without() -> None:
    assert estimate(documents(WIDE, FUSED), FUSED, splits=10_000).fits
    one_a_pod = replace(FUSED, splits_per_pod=1)
    assert not estimate(documents(WIDE, one_a_pod), one_a_pod, splits=10_000).fits
    assert 500 < widest(documents(WIDE, one_a_pod), one_a_pod) < 5_000


def test_more_workers_than_fit_are_not_given_a_pod_each() -> None:
    many = replace(FUSED, max_workers=10_000)
    assert f'"--batches","{MOST_BATCHES}"' in documents(WIDE, many).text()
    assert estimate(documents(WIDE, many), many, splits=10_000).fits


def test_a_foreach_over_foreaches_is_as_wide_as_its_pods_allow() -> None:
    assert (
        1
        < widest(documents(TWO_LEVELS, FUSED), FUSED)
        < widest(documents(WIDE, replace(FUSED, splits_per_pod=1)), FUSED)
    )


def test_what_is_not_run_in_batches_is_said_with_its_width() -> None:
    one_a_pod = replace(FUSED, splits_per_pod=1)
    in_a_switch = flow("start * a\na ? b c\nb > d\nc > d\nd > join\njoin > end")
    in_an_arm = flow("start ? a b\na * c\nc * d\nd > join_d\njoin_d > join\njoin > end\nb > end")
    for whole, target in ((WIDE, one_a_pod), (TWO_LEVELS, FUSED), (in_a_switch, FUSED), (in_an_arm, FUSED)):
        made = documents(whole, target)
        assert 1 < widest(made, target) < 5_000
        assert note(made, target) == (
            f"A foreach that is not run in batches may have some {widest(made, target):,} splits in all: "
            "Argo keeps no larger run."
        )
    assert note(documents(WIDE, FUSED), FUSED) is None
    assert note(documents(chain(3), FUSED), FUSED) is None


def test_a_round_that_stands_in_itself_is_counted_once() -> None:
    looped, target = flow("start > a\na ? a b\nb > end"), replace(TARGET, loops="pods")
    more = estimate(documents(looped, target), target).total - estimate(documents(chain(2), TARGET), TARGET).total
    assert 0 < more < 15_000


def test_the_estimate_of_the_same_flow_is_the_same() -> None:
    assert estimate(documents(WIDE, FUSED), FUSED, 7) == estimate(documents(WIDE, FUSED), FUSED, 7)
