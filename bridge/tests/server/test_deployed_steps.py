"""The steps that a pipeline says it has are those of the flow that it was made of."""

import json
from dataclasses import replace

import pytest

from bridge.tests.lib.graphs import TARGET, flow
from bridge.tests.lib.walks import compiled
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.compiler.ir import Loops
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.deployed_steps import chains, steps


@pytest.mark.parametrize("fuse", [False, True], ids=["apart", "fused"])
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
def test_the_steps_are_found_in_their_order(edges: str, loops: Loops, fuse: bool) -> None:
    whole = flow(edges)
    spec, _ = (json.loads(part) for part in compiled(whole, replace(TARGET, loops=loops, fuse=fuse)).split("\n---\n"))
    found = steps({"pipeline_spec": spec, "platform_spec": {}})
    assert found == {step.name: step.kind == "foreach" for step in whole.steps.values()}
    rank = {name: number for number, name in enumerate(found)}
    assert all(rank[step.name] < rank[after] for step in whole.steps.values() for after in step.exits)


def test_the_steps_that_share_a_pod_are_known_by_the_first() -> None:
    whole = flow("start * a\na > b\nb > c\nc > join\njoin > end")
    spec, _ = (json.loads(part) for part in compiled(whole, replace(TARGET, fuse=True)).split("\n---\n"))
    assert chains({"pipeline_spec": spec}) == chains(spec) == {"a": ["a", "b", "c"], "join": ["join", "end"]}
    assert chains({}) == chains(json.loads(compiled(whole).split("\n---\n")[0])) == {}


def test_what_is_no_pipeline_of_ours_has_none() -> None:
    assert steps({}) == steps({"root": {"dag": {"tasks": {"a": {}}}}}) == {}
