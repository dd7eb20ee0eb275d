"""Metaflow's objects to the compiler's own: the last place that knows what a FlowSpec is."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from .. import compat, compat_parameters, names
from ..mistakes import mistake, unknown
from . import ir, pods
from .attributes import is_number


def read(state: compat.State) -> ir.Flow:
    """The flow that this command line speaks of. Evaluates deploy-time defaults, each once; touches no server."""
    graph = state.graph
    file, line = compat.flow_place(state)
    start, end = compat.ends(graph)
    return ir.Flow(
        name=state.flow.name,
        file=compat.flow_file(),
        place=_place(file, line),
        help=(graph.doc or "").strip(),
        start=start,
        end=end,
        steps=steps(graph),
        parameters=_parameters(state),
        configs=compat.configs(state),
        decorators=tuple(_decorator(each) for each in compat.flow_decorators(state)),
        schedule=compat.schedule(state),
        environment_type=state.environment.TYPE,
        datastore_type=state.flow_datastore.TYPE,
        datastore_root=str(state.flow_datastore.datastore_root),
        metadata_type=state.metadata.TYPE,
        event_logger_type=state.event_logger.TYPE,
        monitor_type=state.monitor.TYPE,
        options=compat.top_level_options(state),
    )


def steps(graph: Any) -> dict[str, ir.Step]:
    """The steps of Metaflow's graph, each after those that may run before it; then those that no step leads to."""
    foreaches = {node.name for node in graph if node.type == "foreach" and not node.parallel_foreach}
    names = dict.fromkeys((*graph.sorted_nodes, *(node.name for node in graph)))
    return {name: _step(graph[name], foreaches) for name in names}


def with_interpreters(state: compat.State, flow: ir.Flow) -> ir.Flow:
    """The flow, read after @kubernetes was attached, with what each step is run by."""
    steps = {}
    for name, step in flow.steps.items():
        decorator = step.decorator("kubernetes")
        asked = decorator.attributes.get("executable") if decorator else None
        interpreter, bootstrap = compat.interpreter(state, name, asked)
        steps[name] = replace(step, interpreter=interpreter, bootstrap=bootstrap)
    return replace(flow, steps=steps)


def encode(value: Any) -> str:
    """A parameter's value as a pipeline input: JSON, in which neither Argo nor the kubelet finds a thing to replace.

    The kubelet puts variables in for `$(NAME)`, and makes one `$` of two.
    """
    return json.dumps(value).replace("{{", "{\\u007b").replace("$(", "$\\u0028").replace("$$", "$\\u0024")


def _parameters(state: compat.State) -> tuple[ir.Parameter, ...]:
    found = list(compat_parameters.parameters(state))
    inputs = names.input_names(each.name for each in found)
    read = []
    for each in found:
        kind = compat_parameters.parameter_kind(each)
        default = compat_parameters.parameter_default(state, each)
        file, text = (default, None) if kind == ir.FILE_KIND else (None, default)
        read.append(
            ir.Parameter(
                name=each.name,
                input=inputs[each.name],
                kind=kind,
                default=None if text is None else encode(text),
                required=bool(compat_parameters.parameter_facts(each)["required"]),
                help=each.kwargs.get("help") or "",
                file=file,
                options=compat_parameters.parameter_options(each),
            )
        )
    return tuple(read)


def _step(node: Any, foreaches: set[str]) -> ir.Step:
    user_retries, fallbacks = compat.retries(node)
    retry = next((each for each in node.decorators if each.name == "retry" and mistake(each) is None), None)
    return ir.Step(
        name=node.name,
        kind="linear" if node.parallel_foreach else node.type,
        place=_place(node.source_file, node.func_lineno),
        next=tuple(node.out_funcs),
        previous=tuple(node.in_funcs),
        split_parents=tuple(node.split_parents),
        join=node.matching_join,
        foreaches=_foreaches(node, foreaches),
        parallel=node.parallel_foreach,
        gang=node.parallel_step,
        decorators=tuple(_decorator(each) for each in node.decorators),
        retries=user_retries,
        fallbacks=fallbacks,
        minutes_between_retries=_whole(retry.attributes["minutes_between_retries"]) if retry else 0,
        timeout_seconds=compat.timeout_seconds(node),
        environment=_environment(node),
        decospecs=compat.decospecs(node),
    )


def _decorator(decorator: Any) -> ir.Decorator:
    return ir.Decorator(
        decorator.name,
        dict(decorator.attributes),
        compat.changed(decorator),
        mistake(decorator),
        unknown(decorator),
    )


def _foreaches(node: Any, foreaches: set[str]) -> tuple[str, ...]:
    """The foreach steps around a step. Metaflow counts a join among its split's children; its task stands outside."""
    around = node.split_parents[:-1] if node.type == "join" else node.split_parents
    return tuple(parent for parent in around if parent in foreaches)


def _environment(node: Any) -> dict[str, str]:
    variables: dict[str, str] = {}
    for decorator in node.decorators:
        if mistake(decorator) is not None:
            continue
        match decorator.name:
            case "environment":
                variables |= {name: str(value) for name, value in _mapping(decorator.attributes["vars"]).items()}
            case "kubernetes":
                variables |= pods.temporary_folder(decorator.attributes)
    return variables


def _mapping(value: Any) -> Mapping[str, Any]:
    """The dictionary; an empty one for what the laws refuse."""
    return value if isinstance(value, Mapping) else {}


def _whole(value: Any) -> int:
    """The number; 0 for what the laws refuse."""
    return int(float(value)) if is_number(value) else 0


def _place(file: str, line: int) -> ir.Place:
    return ir.Place(compat.near(file), line)
