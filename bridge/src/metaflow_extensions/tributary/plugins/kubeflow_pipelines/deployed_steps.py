"""The steps of a deployed flow, read from the pipeline that was made of it: the flow's file may be another by now, or
not at hand.
"""

from collections.abc import Iterator, Mapping
from graphlib import TopologicalSorter
from typing import Any

from . import names


def pipeline_spec(documents: Mapping[str, Any]) -> Mapping[str, Any]:
    """The pipeline spec among a version's documents. With a platform spec beside it, the server names the two."""
    return documents.get("pipeline_spec") or documents


def steps(documents: Mapping[str, Any]) -> dict[str, bool]:
    """The steps, in the order of the pipeline's tasks, and of each whether it is a foreach."""
    spec = pipeline_spec(documents)
    found: dict[str, bool] = {}
    for step, is_foreach in _steps(spec, spec.get("root") or {}, frozenset()):
        # A step may have tasks that run nothing, and tell only where it led.
        found[step] = found.get(step, False) or is_foreach
    return found


def chains(documents: Mapping[str, Any]) -> dict[str, list[str]]:
    """The steps that share a pod, in their order, by the first of them."""
    spec = pipeline_spec(documents)
    components = [spec.get("root") or {}, *(spec.get("components") or {}).values()]
    tasks = [task for each in components for task in ((each.get("dag") or {}).get("tasks") or {}).values()]
    return {steps[0]: steps for task in tasks if len(steps := _named(task)) > 1}


def _steps(spec: Mapping[str, Any], component: Mapping[str, Any], inside: frozenset[str]) -> Iterator[tuple[str, bool]]:
    """The steps of a component's tasks, but for the component that stands in itself."""
    tasks = (component.get("dag") or {}).get("tasks") or {}
    waits = {name: sorted(set(task.get("dependentTasks") or ()) & set(tasks)) for name, task in sorted(tasks.items())}
    for task in map(tasks.__getitem__, TopologicalSorter(waits).static_order()):
        name = str((task.get("componentRef") or {}).get("name"))
        inner = (spec.get("components") or {}).get(name) or {}
        outputs = (inner.get("outputDefinitions") or {}).get("parameters") or {}
        *before, last = _named(task)
        yield from ((step, False) for step in before)
        if last:
            yield last, names.SPLITS_OUTPUT in outputs
        elif name not in inside:
            yield from _steps(spec, inner, inside | {name})


def _named(task: Mapping[str, Any]) -> list[str]:
    """The steps that a task's container is told to run, several in a row; the empty text for a task of a DAG."""
    value = ((task.get("inputs") or {}).get("parameters") or {}).get(names.STEP_INPUT) or {}
    return str((value.get("runtimeValue") or {}).get("constant") or "").split(",")
