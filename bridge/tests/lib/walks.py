"""Compiled documents walked without processes, in place of the runner a stand-in that stores what tasks store."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from bridge.tests.lib.graphs import KUBERNETES, TARGET
from bridge.tests.lib.interpreter import Container, Interpreter
from bridge.tests.lib.scheduler import Choice, Width
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.compiler.emit import Payload, emit
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.compiler.ir import Decorator, Flow, Place, Target
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.compiler.read import steps
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.compiler.structure import MOST_COPIES, structure
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.compiler.wiring import wire
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.pod.inputs import TaskPlace, arrived, inputs
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.record import Loops, StepRecord

PAYLOAD = Payload(("sh", "-c", "BOOT"), "s3://bucket/record")
LEADING = len((*PAYLOAD.command, PAYLOAD.record_url))

Cardinality = Callable[[str, tuple[int, ...]], int]
"""How many splits a foreach step's task has, by its index path."""

Ran = tuple[str, tuple[int, ...]]


def compiled(flow: Flow, target: Target = TARGET, copies: int = MOST_COPIES) -> str:
    """The text that would be uploaded."""
    return emit(flow, wire(flow, structure(flow, copies), target.loops), target, PAYLOAD).text()


def flow_of(graph: Any) -> Flow:
    """The flow of a graph of Metaflow's, with every step in a pod of the same kind."""
    pod = (Decorator("kubernetes", dict(KUBERNETES)),)
    found = {name: replace(step, decorators=pod) for name, step in steps(graph).items()}
    return Flow(graph.name, "flow.py", Place("flow.py", 1), "", graph.start_step, graph.end_step, found)


def walk(text: str, splits: Cardinality, parameters: Mapping[str, str] | None = None) -> list[Ran]:
    """The tasks that ran, in order, when every foreach has the cardinality that `splits` says."""
    ran: list[Ran] = []

    def start(container: Container) -> int:
        step, options = container.argv[LEADING], container.argv[LEADING + 1 :]
        path = tuple(int(value) for flag, value in pairwise(options) if flag == "--index")
        ran.append((step, path))
        if "--splits" in options:
            file = Path(options[options.index("--splits") + 1])
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps([str(index) for index in range(splits(step, path))]))
        return 0

    Interpreter(text, start).run(parameters)
    return ran


@dataclass
class Runner:
    """What the runner in a pod does but for running steps: it finds the inputs of each task by what the tasks before
    it have stored, loops a step that follows itself, and writes what the pipeline reads.
    """

    steps: Mapping[str, StepRecord]
    width: Width
    choice: Choice
    loops: Loops = "pod"
    ran: dict[TaskPlace, list[TaskPlace]] = field(default_factory=dict)
    next: dict[TaskPlace, tuple[str, ...]] = field(default_factory=dict)

    def __call__(self, container: Container) -> int:
        """Run a container."""
        step, options = container.argv[LEADING], container.argv[LEADING + 1 :]
        place = TaskPlace(step, tuple(int(value) for flag, value in pairwise(options) if flag == "--index"))
        if "--among" in options:
            among = options[options.index("--among") + 1].split(",")
            _write(options[options.index("--choice") + 1], arrived(self.steps, place, among, self))
            return 0
        place = replace(place, round=self.last_round(*_at(place)))
        if self.next.get(place) == (step,):
            place = replace(place, round=place.round + 1)
        while place not in self.next:
            self._task(place)
            if self.next[place] == (step,) and self.loops == "pod":
                place = replace(place, round=place.round + 1)
        if "--splits" in options:
            splits = [str(index) for index in range(self.splits(*_at(place)))]
            _write(options[options.index("--splits") + 1], json.dumps(splits))
        if "--choice" in options:
            _write(options[options.index("--choice") + 1], *self.next[place])
        return 0

    def splits(self, step: str, path: tuple[int, ...]) -> int:
        """The number of splits that a foreach step's task made."""
        assert TaskPlace(step, path) in self.next, f"{step} {path} has not run"
        return self.width(step, path)

    def went_on_to(self, places: Sequence[TaskPlace]) -> list[tuple[str, ...]]:
        """For each task the steps that it went on to; none for a task that did not run."""
        return [self.next.get(place, ()) for place in places]

    def last_round(self, step: str, path: tuple[int, ...]) -> int:
        """The last round that began."""
        return max((place.round for place in self.next if _at(place) == (step, path)), default=0)

    def _task(self, place: TaskPlace) -> None:
        step = self.steps[place.step]
        self.ran[place] = inputs(self.steps, place, self)
        assert all(read in self.next for read in self.ran[place]), f"{place} reads from tasks that did not run"
        chooses = step.kind == "split-switch"
        self.next[place] = (self.choice(place, step.out_funcs),) if chooses else step.out_funcs


def _at(place: TaskPlace) -> tuple[str, tuple[int, ...]]:
    return place.step, place.path


def _write(file: str, text: str) -> None:
    Path(file).parent.mkdir(parents=True, exist_ok=True)
    Path(file).write_text(text)
