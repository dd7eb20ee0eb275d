"""Any flow that Metaflow takes: the compiled documents run the very tasks that Metaflow's scheduler runs, each with the
same inputs, whatever the cardinalities and choices are.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.tests.lib.drawing import Drawing, drawings, flow_class
from bridge.tests.lib.graphs import TARGET, ladder, straight
from bridge.tests.lib.interpreter import Interpreter
from bridge.tests.lib.scheduler import schedule
from bridge.tests.lib.walks import Runner, compiled, flow_of
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.compiler.checks import problems
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.compiler.ir import Target
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.compiler.structure import MOST_COPIES
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.describe import Ownership, StoredCode, deployment
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.pod.inputs import TaskPlace

GRAPHS = 500
# How many of the graphs must hold what.
SHARES = {"switch": 1 / 3, "nested": 1 / 3, "loop": 1 / 5, "joins": 1 / 10}


class Fates:
    """Widths and choices for every place of a flow, out of some drawn numbers."""

    def __init__(self, numbers: Sequence[int]) -> None:
        self.numbers = numbers

    def width(self, step: str, path: tuple[int, ...]) -> int:
        """From one to three."""
        return 1 + self._number(step, path) % 3

    def choice(self, task: TaskPlace, ways: Sequence[str]) -> str:
        """One of the ways; none follows itself for ever. Switches of one group choose alike, in every split."""
        if task.step.startswith("alike_"):
            return ways[self._number(task.step.split("_")[1], ()) % len(ways)]
        out = [way for way in ways if way != task.step]
        among = out if task.round > 2 else list(ways)
        return among[self._number(task.step, (*task.path, 5 * task.round)) % len(among)]

    def _number(self, step: str, path: tuple[int, ...]) -> int:
        return self.numbers[(sum(map(ord, step)) + sum(path)) % len(self.numbers)]


def check(drawing: Drawing, fates: Fates, target: Target, copies: int) -> None:
    """Walk the compiled flow and Metaflow's own graph, and compare what ran."""
    graph = flow_class(drawing.source())._graph
    flow = flow_of(graph)
    assert problems(flow, target) == []
    record = deployment(flow, target, StoredCode("s3://bucket/code", "0", "{}"), Ownership("tester", ""))
    runner = Runner(record.steps, fates.width, fates.choice, target.loops)
    Interpreter(compiled(flow, target, copies), runner).run()
    wanted = schedule(graph, fates.width, fates.choice)
    assert runner.ran == wanted


def test_the_documents_run_what_metaflow_runs(record_property: Callable[[str, object], None]) -> None:
    counts: Counter[str] = Counter()

    @settings(max_examples=GRAPHS, deadline=None, derandomize=True, database=None)
    @given(
        drawing=drawings(),
        numbers=st.lists(st.integers(0, 5), min_size=3, max_size=7),
        target=st.builds(
            partial(replace, TARGET),
            loops=st.sampled_from(["pod", "pods"]),
            fuse=st.sampled_from([True, False]),
            splits_per_pod=st.sampled_from([None, 1, 2]),
            max_workers=st.sampled_from([1, 2, 4]),
        ),
        copies=st.sampled_from([MOST_COPIES, 0, 1]),
    )
    def all_graphs(drawing: Drawing, numbers: list[int], target: Target, copies: int) -> None:
        shared = (["fused"] if target.fuse else []) + (["batched"] if target.splits_per_pod != 1 else [])
        counts.update([*drawing.features, "graphs", *shared])
        check(drawing, Fates(numbers), target, copies)

    all_graphs()
    record_property("random graphs", dict(sorted(counts.items())))
    assert counts["graphs"] >= GRAPHS
    for feature, share in SHARES.items():
        assert counts[feature] >= share * counts["graphs"], feature


def test_twelve_levels_of_switches_over_the_same_steps_stay_small() -> None:
    """4096 ways through 26 steps; each of them is run by walking what is uploaded."""
    flow = straight(ladder(12))
    record = deployment(flow, TARGET, StoredCode("s3://bucket/code", "0", "{}"), Ownership("tester", ""))
    text = compiled(flow)
    assert len(text) < 60_000
    for turns in ([0] * 12, [1] * 12, [0, 1, 1, 0, 1, 0, 0, 0, 1, 1, 0, 1]):
        way = [f"{'ab'[turn]}{level}" for level, turn in enumerate(turns)]
        runner = Runner(record.steps, lambda *_: 1, partial(one_of, way))
        Interpreter(text, runner).run()
        assert [task.step for task in runner.ran] == ["start", *way, "end"]


def one_of(way: Sequence[str], task: TaskPlace, ways: Sequence[str]) -> str:
    """The one step of the way that the task may choose."""
    (found,) = set(ways) & set(way)
    return found
