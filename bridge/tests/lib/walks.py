"""Compiled documents walked without processes, in place of the runner a stand-in that stores what tasks store."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise, product
from pathlib import Path
from typing import Any

from bridge.tests.lib.graphs import KUBERNETES, TARGET
from bridge.tests.lib.interpreter import Container, Interpreter
from bridge.tests.lib.scheduler import Choice, Width
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.compiler.emit import Payload, emit
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.compiler.fuse import fuse
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.compiler.ir import Decorator, Flow, Place, Target
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.compiler.read import steps
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.compiler.structure import MOST_COPIES, structure
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.compiler.wiring import wire
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.pod.inputs import TaskPlace, arrived, inputs
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.pod.outputs import Batches, write_choice, write_splits
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.record import Loops, StepRecord

PAYLOAD = Payload(("sh", "-c", "BOOT"), "s3://bucket/record")
LEADING = len((*PAYLOAD.command, PAYLOAD.record_url))

Cardinality = Callable[[str, tuple[int, ...]], int]
"""How many splits a foreach step's task has, by its index path."""

Ran = tuple[str, tuple[int, ...]]


def compiled(flow: Flow, target: Target = TARGET, copies: int = MOST_COPIES) -> str:
    """The text that would be uploaded."""
    return emit(flow, wire(flow, fuse(structure(flow, copies), target), target.loops), target, PAYLOAD).text()


def flow_of(graph: Any) -> Flow:
    """The flow of a graph of Metaflow's, with every step in a pod of the same kind."""
    pod = (Decorator("kubernetes", dict(KUBERNETES)),)
    found = {name: replace(step, decorators=pod) for name, step in steps(graph).items()}
    return Flow(graph.name, "flow.py", Place("flow.py", 1), "", graph.start_step, graph.end_step, found)


@dataclass(frozen=True)
class Asked:
    """What a container is asked to run: its steps one after the other, at each of these index paths."""

    steps: tuple[str, ...]
    paths: tuple[tuple[int, ...], ...]
    splits_file: Path | None
    batches: Batches | None
    choice_file: Path | None
    among: tuple[str, ...]

    @classmethod
    def of(cls, container: Container) -> "Asked":
        """The container's arguments, read."""
        options = container.argv[LEADING + 1 :]
        given = dict(pairwise(options))
        indexes = [value.split(":") for flag, value in pairwise(options) if flag == "--index"]
        ranges = [range(int(each[0]), int(each[-1]) + (len(each) == 1)) for each in indexes]
        return cls(
            tuple(container.argv[LEADING].split(",")),
            tuple(product(*ranges)),
            Path(given["--splits"]) if "--splits" in given else None,
            Batches(int(given["--batches"]), int(given.get("--splits-per-pod", 1))) if "--batches" in given else None,
            Path(given["--choice"]) if "--choice" in given else None,
            tuple(given["--among"].split(",")) if "--among" in given else (),
        )


def walk(text: str, splits: Cardinality, parameters: Mapping[str, str] | None = None) -> list[Ran]:
    """The tasks that ran, in order, when every foreach has the cardinality that `splits` says."""
    ran: list[Ran] = []

    def start(container: Container) -> int:
        asked = Asked.of(container)
        ran.extend((step, path) for path in asked.paths for step in asked.steps)
        if asked.splits_file is not None:
            (path,) = asked.paths
            write_splits(asked.splits_file, splits(asked.steps[-1], path), asked.batches)
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
        asked = Asked.of(container)
        if asked.among:
            (step,), (path,) = asked.steps, asked.paths
            assert asked.choice_file is not None
            write_choice(asked.choice_file, arrived(self.steps, TaskPlace(step, path), asked.among, self))
            return 0
        for path in asked.paths:
            for step in asked.steps:
                place = self._rounds(TaskPlace(step, path))
        if asked.splits_file is not None:
            write_splits(asked.splits_file, self.splits(*_at(place)), asked.batches)
        if asked.choice_file is not None:
            write_choice(asked.choice_file, *self.next[place])
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

    def _rounds(self, place: TaskPlace) -> TaskPlace:
        """Run the task, or the rounds of it that this pod is for; gives the last."""
        place = replace(place, round=self.last_round(*_at(place)))
        if self.next.get(place) == (place.step,):
            place = replace(place, round=place.round + 1)
        while place not in self.next:
            self._task(place)
            if self.next[place] == (place.step,) and self.loops == "pod":
                place = replace(place, round=place.round + 1)
        return place

    def _task(self, place: TaskPlace) -> None:
        step = self.steps[place.step]
        self.ran[place] = inputs(self.steps, place, self)
        assert all(read in self.next for read in self.ran[place]), f"{place} reads from tasks that did not run"
        chooses = step.kind == "split-switch"
        self.next[place] = (self.choice(place, step.out_funcs),) if chooses else step.out_funcs


def _at(place: TaskPlace) -> tuple[str, tuple[int, ...]]:
    return place.step, place.path
