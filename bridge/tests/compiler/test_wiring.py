from bridge.tests.lib.graphs import flow
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.compiler.ir import Step
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.compiler.structure import structure
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.compiler.wiring import Scope, wire

BRANCH = "start > a b\na > join\nb > join\njoin > end"
FOREACH = "start * a\na > join\njoin > end"
LONG_BODY = "start * a\na > b\nb > join\njoin > end"
NESTED = "start * a\na * b\nb > join_b\njoin_b > join\njoin > end"


def wired(edges: str) -> Scope:
    whole = flow(edges)
    return wire(whole, structure(whole))


def waits(scope: Scope) -> dict[str, tuple[str, ...]]:
    return {task.name: task.after for task in scope.tasks}


def test_a_join_waits_for_every_branch() -> None:
    assert waits(wired(BRANCH)) == {"start": (), "a": ("start",), "b": ("start",), "join": ("a", "b"), "end": ("join",)}


def test_a_body_of_one_step_is_iterated_as_it_is() -> None:
    body = wired(FOREACH).tasks[1]
    assert isinstance(body.work, Step)
    assert (body.name, body.splits_of, body.depth) == ("a", "start", 1)


def test_a_body_of_several_steps_gets_a_scope_of_its_own() -> None:
    body = wired(LONG_BODY).tasks[1]
    assert isinstance(body.work, Scope)
    assert (body.name, body.splits_of, body.depth) == ("each-start", "start", 1)
    assert waits(body.work) == {"a": (), "b": ("a",)}


def test_each_foreach_adds_one_index() -> None:
    outer = wired(NESTED).tasks[1].work
    assert isinstance(outer, Scope)
    assert {task.name: task.depth for task in outer.tasks} == {"a": 1, "b": 2, "join-b": 1}


def test_what_follows_a_foreach_waits_for_its_loop() -> None:
    assert waits(wired(NESTED))["join"] == ("each-start",)
