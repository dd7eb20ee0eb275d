"""Compiled documents walked without processes, beside the walk that Metaflow's own graph prescribes."""

import json
from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path

from bridge.tests.lib.graphs import TARGET
from bridge.tests.lib.interpreter import Container, Interpreter
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.compiler.emit import Payload, emit
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.compiler.ir import Flow, Target
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.compiler.structure import structure
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.compiler.wiring import wire

PAYLOAD = Payload(("sh", "-c", "BOOT"), "s3://bucket/record")
LEADING = len((*PAYLOAD.command, PAYLOAD.record_url))

Cardinality = Callable[[str, tuple[int, ...]], int]
"""How many splits a foreach step's task has, by its index path."""

Ran = tuple[str, tuple[int, ...]]


def compiled(flow: Flow, target: Target = TARGET) -> str:
    """The text that would be uploaded."""
    return emit(flow, wire(flow, structure(flow)), target, PAYLOAD).text()


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


def reference(flow: Flow, splits: Cardinality) -> list[Ran]:
    """What Metaflow's local scheduler would run: each step after its predecessors, a body once for each split."""
    found: list[Ran] = []

    def visit(name: str, path: tuple[int, ...], stop: str | None) -> None:
        if name == stop:
            return
        step = flow.steps[name]
        found.append((name, path))
        if step.kind == "foreach":
            for index in range(splits(name, path)):
                visit(step.next[0], (*path, index), step.join)
            visit(step.join or "", path, stop)
        elif step.kind == "split":
            for branch in step.next:
                visit(branch, path, step.join)
            visit(step.join or "", path, stop)
        else:
            for following in step.next:
                visit(following, path, stop)

    visit(flow.start, (), None)
    return found
