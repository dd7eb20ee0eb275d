"""The comparison of two runs: each thing that a client can read is missed when it differs."""

from __future__ import annotations

import base64
import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import astuple, dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import pytest

from laptop.card_pages import content
from laptop.compare import Place, differences, tasks

_IDS = itertools.count()


@dataclass(frozen=True)
class Frame:
    """As Metaflow's ForeachFrame."""

    step: str
    var: str
    num_splits: int
    index: int
    value: str

    def __iter__(self) -> Iterator[Any]:
        return iter(astuple(self))


@dataclass(frozen=True)
class Card:
    type: str
    id: str | None = None
    html: str = "a page"
    words: str = "a word"

    def get(self) -> str:
        """A page as Metaflow writes it, with an id that is another each time."""
        if self.type == "html":
            return self.html
        component = {"type": "markdown", "source": self.words, "id": f"markdown_{next(_IDS)}"}
        page = {"type": "page", "title": "Run", "contents": [{"type": "section", "contents": [component]}]}
        data = base64.b64encode(json.dumps({"components": [page]}).encode()).decode()
        return f"""<script>window.__MF_DATA__["{next(_IDS)}"] = "{data}"</script>"""


@dataclass(frozen=True)
class Task:
    """What the comparison asks of a metaflow.Task."""

    id: str
    step: str = "work"
    indexes: tuple[int, ...] = ()
    artifacts: dict[str, Any] = field(default_factory=dict)
    current_attempt: int = 0
    stdout: str = "a line\n"
    stderr: str = ""
    user_tags: frozenset[str] = frozenset()
    successful: bool = True
    outcomes: tuple[tuple[Any, ...], ...] = (("attempt_ok", "True"), ("attempt-done", "0"))
    cards: tuple[Card, ...] = ()
    parent_tasks: tuple[Any, ...] = ()
    child_tasks: tuple[Any, ...] = ()
    splits: int = 9
    graph: bool = True

    @property
    def pathspec(self) -> str:
        return f"Flow/run/{self.step}/{self.id}"

    @property
    def index(self) -> int | None:
        return self.indexes[-1] if self.indexes else None

    @property
    def metadata(self) -> list[Any]:
        where = [SimpleNamespace(name="ds-root", value=self.id)]
        return where + [
            SimpleNamespace(name=name, value=value, created_at=attempt)
            for name, value, attempt in ((*each, self.current_attempt)[:3] for each in self.outcomes)
        ]

    def __iter__(self) -> Iterator[Any]:
        return iter([SimpleNamespace(id=name, data=value) for name, value in self.artifacts.items()])

    def __contains__(self, name: str) -> bool:
        with_its_end = {"_foreach_stack": bool(self.indexes), "_graph_info": self.graph}
        return name in self.artifacts or with_its_end.get(name, False)

    def __getitem__(self, name: str) -> Any:
        frames = [
            Frame(f"fan{depth}", "items", self.splits, index, str(index)) for depth, index in enumerate(self.indexes)
        ]
        return SimpleNamespace(data=frames)


@dataclass(frozen=True)
class Step:
    id: str
    tasks: tuple[Task, ...]

    def __iter__(self) -> Iterator[Task]:
        return iter(self.tasks)


@dataclass(frozen=True)
class Run:
    tasks: tuple[Task, ...]
    user_tags: frozenset[str] = frozenset()
    system_tags: frozenset[str] = frozenset()

    def __iter__(self) -> Iterator[Step]:
        for name in dict.fromkeys(task.step for task in self.tasks):
            yield Step(name, tuple(task for task in self.tasks if task.step == name))


def cards_of(task: Any) -> tuple[Card, ...]:
    found: tuple[Card, ...] = task.cards
    return found


def told(here: Run, there: Run) -> list[str]:
    return differences(here, there, cards_of)


OUTLINE = "(('page', 'Run'), ('section', None), ('markdown', None))"
HERE = Task("7", artifacts={"a": 1}, cards=(Card("default", "plot"), Card("html")))


def test_ids_and_pages_that_name_them_may_differ() -> None:
    there = replace(HERE, id="t-work", cards=(Card("html"), Card("default", "plot", words="another run")))
    assert told(Run((HERE,)), Run((there,))) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda task: replace(task, artifacts={"a": 2}), "work: artifact 'a': 1 on the laptop, 2 there"),
        (lambda task: replace(task, artifacts={"b": 1}), "work: artifacts on one side only: ['a', 'b']"),
        (lambda task: replace(task, current_attempt=1), "work: attempt 0 on the laptop, 1 on the cluster"),
        (
            lambda task: replace(task, stdout="a line\nand another\n"),
            "work: stdout ('a line',) on the laptop, ('a line', 'and another') on the cluster",
        ),
        (
            lambda task: replace(task, outcomes=task.outcomes * 2),
            "work: outcomes [('attempt-done', '0'), ('attempt_ok', 'True')] on the laptop, "
            "[('attempt-done', '0'), ('attempt-done', '0'), ('attempt_ok', 'True'), ('attempt_ok', 'True')] "
            "on the cluster",
        ),
        (
            lambda task: replace(task, cards=(Card("default"), Card("html"))),
            f"work: cards (('default', 'plot', {OUTLINE}), ('html', None, 'a page')) on the laptop, "
            f"(('default', None, {OUTLINE}), ('html', None, 'a page')) on the cluster",
        ),
        (
            lambda task: replace(task, cards=(Card("default", "plot"), Card("html", html="else"))),
            f"work: cards (('default', 'plot', {OUTLINE}), ('html', None, 'a page')) on the laptop, "
            f"(('default', 'plot', {OUTLINE}), ('html', None, 'else')) on the cluster",
        ),
        (
            lambda task: replace(task, stderr="a warning\n"),
            "work: stderr () on the laptop, ('a warning',) on the cluster",
        ),
        (
            lambda task: replace(task, user_tags=frozenset({"mine"})),
            "work: tags [] on the laptop, ['mine'] on the cluster",
        ),
        (lambda task: replace(task, step="play"), "work: only on the laptop"),
    ],
    ids=["value", "names", "attempt", "log", "done twice", "card id", "card page", "errors", "tags", "step"],
)
def test_what_differs_is_told(change: Callable[[Task], Task], said: str) -> None:
    assert told(Run((HERE,)), Run((change(HERE),)))[0] == said


def test_what_catch_prints_of_the_machine_is_no_line_of_the_users() -> None:
    words = 'mine\n@catch caught an exception from <flow F step work>\n>    File "/{}/flow.py", line 1\n>  E: no\n'
    here, there = (replace(HERE, stdout=words.format(folder)) for folder in ("here", "there"))
    assert told(Run((here,)), Run((there,))) == []
    assert tasks(Run((here,)), cards_of)[Place("work")].stdout == ("mine",)


def test_where_a_checkpoint_lies_is_not_compared() -> None:
    words = "[@checkpoint] Loading the following checkpoint:\n\t[key] {0}\n\t[created on] {0}\n\t[url] s3://{0}\nmine\n"
    here, there = (replace(HERE, stdout=words.format(place)) for place in ("here", "there"))
    assert differences(Run((here,)), Run((there,)), cards_of) == []
    said = ("[@checkpoint] Loading the following checkpoint:", "mine")
    assert tasks(Run((here,)), cards_of)[Place("work")].stdout == said


def test_tags_of_the_user_are_compared() -> None:
    assert told(Run((HERE,), frozenset({"mine"})), Run((HERE,))) == ["tags ['mine'] on the laptop, [] on the cluster"]


def test_tags_of_project_and_branch_are_compared_and_those_of_the_place_are_not() -> None:
    here = Run((HERE,), system_tags=frozenset({"project:p", "runtime:dev", "user:ada", "python_version:3.11.7"}))
    there = Run((HERE,), system_tags=frozenset({"project:p", "production:token", "runtime:x", "date:2026-01-01"}))
    assert told(here, there) == []
    assert told(here, replace(there, system_tags=frozenset({"project:q"}))) == [
        "tags ['project:p'] on the laptop, ['project:q'] on the cluster"
    ]


def test_a_blank_card_is_what_the_user_put_into_it() -> None:
    here = Run((replace(HERE, cards=(Card("blank", words="sum 17"),)),))
    assert told(here, Run((replace(HERE, cards=(Card("blank", words="sum 17"),)),))) == []
    (wrong,) = told(here, Run((replace(HERE, cards=(Card("blank", words="sum 18"),)),)))
    assert "('source', 'sum 17')" in wrong and "('source', 'sum 18')" in wrong


def test_a_traceback_of_a_failed_attempt_is_not_compared() -> None:
    here = Run((replace(HERE, current_attempt=1, stderr="File /here\n"),))
    assert told(here, Run((replace(HERE, current_attempt=1, stderr="File /there\n"),))) == []


def test_of_a_gangs_first_node_the_last_attempt_counts() -> None:
    """Each outcome says its attempt, where that is not the last."""

    def run(first: str, artifacts: dict[str, Any]) -> Run:
        outcomes = (("attempt_ok", first, 0), ("attempt_ok", "True", 1))
        return Run((replace(HERE, artifacts=artifacts, current_attempt=1, outcomes=outcomes),))

    first_node = {"_control_mapper_tasks": ["Flow/run/work/8"]}
    assert told(run("False", first_node), run("True", first_node)) == []
    assert told(run("False", {}), run("True", {})) != []


def test_of_a_picture_in_a_card_the_format_is_compared() -> None:
    def page(picture: str) -> str:
        data = base64.b64encode(json.dumps({"components": [{"type": "image", "src": picture}]}).encode()).decode()
        return f"""window.__MF_DATA__["x"] = "{data}" """

    assert content("blank", page("data:image/png;base64,AA")) == content("blank", page("data:image/png;base64,BB"))
    assert content("blank", page("data:image/png;base64,AA")) != content("blank", page("data:image/gif;base64,AA"))
    with pytest.raises(ValueError, match="holds no components"):
        content("blank", "<html></html>")


def test_foreach_indexes_and_sizes_are_compared() -> None:
    here = Run((replace(HERE, indexes=(0,)), replace(HERE, id="8", indexes=(1,))))
    assert told(here, Run(tuple(replace(task, id=f"t-{task.id}") for task in here.tasks))) == []
    assert told(here, Run((replace(HERE, indexes=(0,)),))) == ["work[1]: only on the laptop"]
    (wrong, _) = told(here, Run(tuple(replace(task, splits=2) for task in here.tasks)))
    assert wrong.startswith("work[0]: stack (('fan0', 'items', 9, 0, '0'),) on the laptop, (('fan0', 'items', 2, ")


def test_a_task_that_was_killed_is_seen_without_its_kin() -> None:
    unknown = (Task("nobody"),)
    (seen,) = tasks(Run((replace(HERE, graph=False, parent_tasks=unknown, child_tasks=unknown),)), cards_of).values()
    assert (seen.parents, seen.children) == (frozenset(), frozenset())


def test_parents_and_children_are_compared_by_place() -> None:
    def run(first: str, second: str, *, linked: bool = True) -> Run:
        parent, child = Task(first, "start"), Task(second, "end")
        return Run((replace(parent, child_tasks=(child,) if linked else ()), replace(child, parent_tasks=(parent,))))

    assert told(run("1", "2"), run("t-start", "t-end")) == []
    assert told(run("1", "2"), run("t-start", "t-end", linked=False)) == [
        "start: children end on the laptop, none on the cluster"
    ]


def test_rounds_of_a_step_are_places_of_their_own() -> None:
    here = Run(tuple(Task(id, "loop", artifacts={"n": n}) for n, id in enumerate(["9", "10", "11"])))
    assert set(tasks(here, cards_of)) == {Place("loop"), Place("loop", (), 1), Place("loop", (), 2)}
    names = ["t-loop", "t-loop-r1", "t-loop-r2"]
    there = [Task(id, "loop", artifacts={"n": n}) for n, id in enumerate(names)]
    assert told(here, Run(tuple(there))) == []
    assert told(here, Run(tuple(there[:2]))) == ["loop round 2: only on the laptop"]
    assert told(here, Run((there[0], replace(there[2], id="t-loop-r1"), replace(there[1], id="t-loop-r2")))) == [
        "loop round 1: artifact 'n': 1 on the laptop, 2 there",
        "loop round 2: artifact 'n': 2 on the laptop, 1 there",
    ]


def test_rounds_are_counted_for_each_split() -> None:
    run = Run(tuple(Task(str(10 + n), "loop", indexes=(n % 2,)) for n in range(4)))
    assert set(tasks(run, cards_of)) == {Place("loop", (index,), n) for index in (0, 1) for n in (0, 1)}


def test_two_tasks_at_one_place_are_an_error() -> None:
    with pytest.raises(
        ValueError, match=r"Flow/run/work/t-work and Flow/run/work/t-work-again stand at the same place work"
    ):
        tasks(Run((Task("t-work"), Task("t-work-again"))), cards_of)


def test_the_time_at_which_a_step_was_stopped_is_not_compared() -> None:
    words = "2026-11-25 {} Step work timed out after 0 hours, 0 minutes, 1 seconds\n"
    here, there = (replace(HERE, stdout=words.format(time)) for time in ("22:06:44.128", "22:08:41.170"))
    assert differences(Run((here,)), Run((there,)), cards_of) == []
    longer = replace(there, stdout=there.stdout.replace("1 seconds", "2 seconds"))
    assert differences(Run((here,)), Run((longer,)), cards_of) != []
