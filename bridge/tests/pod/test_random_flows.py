"""Any flow that Metaflow takes, as a file: a run on this machine and the real runner under the compiled documents leave
the same artifacts.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from bridge.tests.lib.drawing import Drawing, drawings
from bridge.tests.lib.graphs import TARGET
from bridge.tests.lib.interpreter import Interpreter
from bridge.tests.lib.walks import compiled, flow_of
from bridge.tests.pod.small_kubeflow import SmallKubeflow, describe, differences, load, run_locally, tasks
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.compiler.ir import Loops

SHARES = {"switch": 1 / 3, "nested": 1 / 3, "loop": 1 / 5}


def check(drawing: Drawing, loops: Loops, shared: bool, folder: Path) -> None:
    """Run a drawn flow in both ways and compare."""
    here, there = folder / "here", folder / "there"
    for each in (here, there):
        each.mkdir()
    file = folder / "drawn_flow.py"
    file.write_text(drawing.source())
    deployment = describe(file, there, loops=loops)
    run = SmallKubeflow(deployment, there, flows=folder)
    target = replace(TARGET, loops=loops, fuse=shared, splits_per_pod=None if shared else 1, max_workers=2)
    documents = compiled(flow_of(load(file)._graph), target)
    Interpreter(documents, run.start).run()
    wanted = tasks("DrawnFlow", here, run_locally(file, here))
    assert differences(wanted, tasks("DrawnFlow", there, f"kfp-{run.run}")) == [], drawing.source()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("flows", "most", "drawn_from"),
    [
        pytest.param(8, 1, 0, marks=pytest.mark.timeout(3600)),
        *(pytest.param(100, 5, one, marks=[pytest.mark.long, pytest.mark.timeout(7200)]) for one in (1, 2)),
    ],
)
def test_the_runner_leaves_what_a_local_run_leaves(
    flows: int, most: int, drawn_from: int, record_property: Callable[[str, object], None]
) -> None:
    counts: Counter[str] = Counter()

    @seed(drawn_from)
    @settings(
        max_examples=flows,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(drawing=drawings(most=most), loops=st.sampled_from(["pod", "pods"]), shared=st.booleans())
    def all_flows(drawing: Drawing, loops: Loops, shared: bool) -> None:
        counts.update([*drawing.features, "flows"])
        with TemporaryDirectory() as folder:
            check(drawing, loops, shared, Path(folder))

    all_flows()
    record_property("random flows", dict(sorted(counts.items())))
    assert counts["flows"] >= flows
    for feature, share in SHARES.items():
        assert counts[feature] >= share * counts["flows"], feature
