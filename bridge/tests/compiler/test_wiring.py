from bridge.tests.lib.graphs import flow
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.compiler.ir import Loops, Step
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.compiler.structure import structure
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.compiler.wiring import Again, Scope, Tell, wire

BRANCH = "start > a b\na > join\nb > join\njoin > end"
FOREACH = "start * a\na > join\njoin > end"
LONG_BODY = "start * a\na > b\nb > join\njoin > end"
NESTED = "start * a\na * b\nb > join_b\njoin_b > join\njoin > end"


def wired(edges: str, loops: Loops = "pod") -> Scope:
    whole = flow(edges)
    return wire(whole, structure(whole), loops)


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


def test_the_arms_of_a_switch_stand_in_a_scope_that_follows_it() -> None:
    root = wired("start ? a b end\na > c\nc > end\nb > end")
    assert waits(root) == {"start": (), "switch-start": ("start",), "end": ("switch-start",)}
    arms = root.tasks[1].work
    assert isinstance(arms, Scope)
    assert root.tasks[1].choice_of == "start"
    assert {arm.name: (arm.when, arm.choice_of, type(arm.work)) for arm in arms.tasks} == {
        "arm-a": ("a", None, Scope),
        "b": ("b", None, Step),
    }


def test_a_step_on_two_ways_has_two_tasks() -> None:
    shared = wired("start ? a b\na > c\nb ? c d\nc > end\nd > end").tasks[1].work
    assert isinstance(shared, Scope)
    first, second = (arm.work for arm in shared.tasks)
    assert isinstance(first, Scope) and isinstance(second, Scope)
    inner = second.tasks[1].work
    assert isinstance(inner, Scope)
    assert [task.name for task in (*first.tasks, *inner.tasks)] == ["a", "c", "c-x2", "d"]


def test_where_a_foreach_may_end_at_several_joins_a_task_tells_at_which() -> None:
    root = wired("start * a\na ? b c\nb > join_b\nc > join_c\njoin_b > end\njoin_c > end")
    assert waits(root) == {
        "start": (),
        "each-start": ("start",),
        "told-start": ("each-start",),
        "switch-start": ("told-start",),
        "end": ("switch-start",),
    }
    told, joins = root.tasks[2], root.tasks[3]
    assert isinstance(told.work, Tell) and told.work.among == ("join_b", "join_c")
    assert joins.choice_of == "told-start"


def test_rounds_in_pods_are_a_scope_that_holds_itself() -> None:
    root = wired("start > a\na ? a b end\nb > end", "pods")
    assert [task.name for task in root.tasks] == ["start", "rounds-a", "left-a", "switch-a", "end"]
    rounds = root.tasks[1].work
    assert isinstance(rounds, Scope)
    one, again = rounds.tasks
    assert again.work == Again("rounds-a")
    assert (one.name, again.choice_of, again.when) == ("a", "a", "a")
    assert [task.name for task in wired("start > a\na ? a b end\nb > end").tasks] == ["start", "a", "switch-a", "end"]
