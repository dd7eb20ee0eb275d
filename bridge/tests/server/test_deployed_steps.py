"""The steps that a pipeline says it has are those of the flow that it was made of."""

import json
from dataclasses import replace

import pytest

from bridge.tests.lib.graphs import TARGET, flow
from bridge.tests.lib.walks import compiled
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.compiler.ir import Loops
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.deployed_steps import steps


@pytest.mark.parametrize("loops", ["pod", "pods"])
@pytest.mark.parametrize(
    "edges",
    [
        "start > a\na > end",
        "start > b a\na > join\nb > join\njoin > end",
        "start * zoo\nzoo * b\nb > join_b\njoin_b > join\njoin > end",
        "start > z\nz ? z a b\na > c\nb > c\nc > end",
        "start * a\na ? b c\nb > join_b\nc > join_c\njoin_b > end\njoin_c > end",
    ],
)
def test_the_steps_are_found_in_their_order(edges: str, loops: Loops) -> None:
    whole = flow(edges)
    spec, _ = (json.loads(part) for part in compiled(whole, replace(TARGET, loops=loops)).split("\n---\n"))
    found = steps({"pipeline_spec": spec, "platform_spec": {}})
    assert found == {step.name: step.kind == "foreach" for step in whole.steps.values()}
    rank = {name: number for number, name in enumerate(found)}
    assert all(rank[step.name] < rank[after] for step in whole.steps.values() for after in step.exits)


def test_what_is_no_pipeline_of_ours_has_none() -> None:
    assert steps({}) == steps({"root": {"dag": {"tasks": {"a": {}}}}}) == {}
