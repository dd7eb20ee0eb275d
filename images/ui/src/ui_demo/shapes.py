"""The flows that the made-up runs are of: their graphs, parameters, and what goes wrong in them."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Step:
    name: str
    type: str
    """As Metaflow's graph calls it: start, linear, split-static, split-foreach, split-switch, join, end."""
    next: tuple[str, ...] = ()
    seconds: float = 20
    """How long a task of it takes, about."""
    doc: str = ""
    many: bool = False
    """It has a task for each item of the foreach before it."""
    cases: tuple[tuple[str, str], ...] = ()
    """Of a switch: the value and the step that it leads to."""


@dataclass(frozen=True)
class Shape:
    """A flow."""

    name: str
    project: str
    doc: str
    parameters: tuple[tuple[str, tuple[Any, ...]], ...]
    """Each with the values that runs give it."""
    steps: tuple[Step, ...]
    failures: tuple[tuple[str, str], ...]
    """Steps with the exception that ends them."""
    width: int = 0
    """Items of its foreach, about."""

    def graph(self) -> dict[str, Any]:
        """What Metaflow records as the artifact `_graph_info`."""
        return {
            "file": f"{self.name.lower()}.py",
            "doc": self.doc,
            "parameters": [{"name": name, "type": type(values[0]).__name__} for name, values in self.parameters],
            "constants": [],
            "decorators": [{"name": "project", "attributes": {"name": self.project}, "statically_defined": True}],
            "extensions": {},
            "graph_structure": [step.name for step in self.steps],
            "steps": {step.name: self._node(step, line) for step, line in zip(self.steps, itertools.count(12, 9))},
        }

    def _node(self, step: Step, line: int) -> dict[str, Any]:
        node = {"name": step.name, "type": step.type, "line": line, "doc": step.doc, "next": list(step.next)}
        retry = {"name": "retry", "attributes": {"times": 2}, "statically_defined": True}
        node["decorators"] = [retry] if step.many else []
        if step.type == "split-foreach":
            node["foreach_artifact"] = "items"
        if step.cases:
            node |= {"condition": "route", "switch_cases": dict(step.cases)}
        return node

    def begun_steps(self, arm: int) -> list[Step]:
        """The steps of one run in their order; of each switch only the arm with this number."""
        unchosen: set[str] = set()
        for step in self.steps:
            unchosen |= {name for number, (_, name) in enumerate(step.cases) if number != arm % len(step.cases)}
        return [step for step in self.steps if step.name not in unchosen]


def _foreach(before: str, each: str, after: str, seconds: float) -> tuple[Step, Step, Step]:
    return (
        Step(before, "split-foreach", (each,), 14, "Lists what is to be done."),
        Step(each, "linear", (after,), seconds, "Does one item of the list.", many=True),
        Step(after, "join", ("report",), 25, "Puts the parts together."),
    )


_MEMORY = "MemoryError: Unable to allocate 3.91 GiB for an array with shape (16384, 32000) and data type float64"
_EMPTY = "ValueError: Input X contains NaN.\nRandomForestClassifier does not accept missing values."
_HTTP = "requests.exceptions.ReadTimeout: HTTPConnectionPool(host='features', port=80): Read timed out."

SHAPES: Sequence[Shape] = (
    Shape(
        "ChurnTrainingFlow", "churn", "Trains the churn model on last month's accounts.",
        (("learning_rate", (0.01, 0.03, 0.1, 0.3)), ("depth", (4, 6, 8)), ("sample", (0.1, 0.5, 1.0)),
         ("market", ("de", "fr", "us"))),
        (
            Step("start", "start", ("folds",), 8, "Reads the accounts."),
            *_foreach("folds", "train", "select", 140),
            Step("report", "linear", ("end",), 30, "Draws the curves."),
            Step("end", "end", (), 3),
        ),
        (("train", _MEMORY), ("train", _EMPTY), ("start", _HTTP)), 12,
    ),
    Shape(
        "DemandForecastFlow", "supply", "Forecasts the demand of each shop.",
        (("horizon", (7, 14, 28)), ("region", ("north", "south", "east", "west")), ("backtest", (True, False))),
        (
            Step("start", "start", ("shops",), 12, "Loads sales since the last full load."),
            *_foreach("shops", "forecast", "collect", 45),
            Step("report", "linear", ("end",), 20, "Writes the table that the planners read."),
            Step("end", "end", (), 3),
        ),
        (("forecast", "KeyError: 'shop_0481'"), ("collect", _MEMORY), ("report", _HTTP)), 40,
    ),
    Shape(
        "NightlyFeaturesFlow", "platform", "Computes the features that all models share.",
        (("day", ("2026-11-23", "2026-11-24", "2026-11-25")), ("full", (False, True))),
        (
            Step("start", "start", ("accounts", "events"), 6, "Finds the partitions of the day."),
            Step("accounts", "linear", ("join",), 240, "Features of accounts."),
            Step("events", "linear", ("join",), 410, "Features of events."),
            Step("join", "join", ("end",), 33, "Writes both to the store."),
            Step("end", "end", (), 2),
        ),
        (("events", _HTTP), ("join", "AssertionError: 1204 accounts have no features")),
    ),
    Shape(
        "ReviewRoutingFlow", "support", "Answers a batch of reviews, or leaves it to people.",
        (("model", ("small", "large")), ("threshold", (0.5, 0.7, 0.9))),
        (
            Step("start", "start", ("route",), 5, "Takes the batch."),
            Step("route", "split-switch", ("answer", "escalate"), 9, "Decides who answers.",
                 cases=(("sure", "answer"), ("unsure", "escalate"))),
            Step("answer", "linear", ("end",), 70, "Writes the answers."),
            Step("escalate", "linear", ("end",), 12, "Puts the batch on the people's list."),
            Step("end", "end", (), 2),
        ),
        (("answer", "json.decoder.JSONDecodeError: Expecting value: line 1 column 1 (char 0)"), ("route", _HTTP)),
    ),
)  # fmt: skip
