"""A flow's parameters as Metaflow and its copy of click hold them: a part of compat.py, kept by itself for its size."""

import json
import os
from collections.abc import Iterator, Mapping
from typing import Any

from metaflow._vendor import click
from metaflow.includefile import CURRENT_UPLOADER, FilePathClass
from metaflow.parameters import DelayedEvaluationParameter, DeployTimeField, add_custom_parameters, deploy_time_eval
from metaflow.plugins import DATACLIENTS

from .compat import State
from .compiler.ir import FILE_KIND, PARAMETER_KINDS, SEVERAL_KIND


def parameters(state: State) -> Iterator[Any]:
    """The flow's Parameters, without its Configs."""
    return (each for _, each in state.flow._get_parameters() if not each.IS_CONFIG_PARAMETER)


def parameter_kind(parameter: Any) -> str:
    """Metaflow's name of the parameter's type: str, int, float, bool, JSON, FilePath, or click's name of another.

    SEVERAL_KIND for one that takes more than one word of the command line.
    """
    kind = parameter.kwargs["type"]
    if isinstance(kind, tuple) or getattr(kind, "is_composite", False):
        return SEVERAL_KIND
    return str(getattr(kind, "name", None) or kind.__name__)


def parameter_options(parameter: Any) -> tuple[str, ...]:
    """What the flow says of the parameter that is not None."""
    return tuple(sorted(name for name, value in parameter.kwargs.items() if value is not None))


def parameter_facts(parameter: Any) -> dict[str, Any]:
    """What a program must know to give the parameter a value: name, kind, required; of a file, is_text and encoding."""
    kind = parameter.kwargs["type"]
    facts = {
        "name": parameter.name,
        "kind": parameter_kind(parameter),
        "required": bool(parameter.kwargs.get("required")) and parameter.kwargs.get("default") is None,
    }
    return facts | ({"is_text": kind._is_text, "encoding": kind._encoding} if isinstance(kind, FilePathClass) else {})


def parameter_default(state: State, parameter: Any) -> Any:
    """The default as the pipeline carries it, None where there is none; a deploy-time function is asked once.

    A value of the parameter's type; of an IncludeFile, the path. The default of another type is the text that a
    deploy-time function gave; one that is a value already is left to the pod, where the flow's file has it too.
    """
    found: dict[str, Any] = getattr(state, "pipeline_defaults", {})
    state.pipeline_defaults = found
    if parameter.name not in found:
        found[parameter.name] = _parameter_default(parameter)
    return found[parameter.name]


def include_file(state: State, parameter: Any, path: str, keep: bool) -> Any:
    """What stands for a file in an IncludeFile's value. With `keep`, the file is stored where Metaflow keeps them."""
    if path.startswith("{"):
        return json.loads(path)
    client = next(each for each in DATACLIENTS if each.TYPE == state.flow_datastore.TYPE)
    kind = parameter.kwargs["type"]
    return CURRENT_UPLOADER.store(
        state.flow.name,
        os.path.expanduser(path),
        kind._is_text,
        kind._encoding,
        client if keep else _NamesOnly(client),
        state.echo,
    )


class _NamesOnly:
    """A client of the object store that stores nothing and says where it would."""

    def __init__(self, client: Any) -> None:
        self.get_root_from_config = client.get_root_from_config

    def __call__(self) -> "_NamesOnly":
        return self

    def __enter__(self) -> "_NamesOnly":
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def put(self, path: str, _blob: bytes, overwrite: bool) -> str:
        """The URL that the client would give."""
        return path


def _parameter_default(parameter: Any) -> Any:
    default = parameter.kwargs.get("default")
    kind = parameter_kind(parameter)
    if kind == FILE_KIND:
        # Not deploy_time_eval: it would store the file, also for a flow that is then refused.
        return default() if isinstance(default, DeployTimeField) else default
    if kind not in PARAMETER_KINDS and not isinstance(default, (DeployTimeField, str)):
        return None
    value = deploy_time_eval(default)
    if value is None:
        return None
    match kind:
        case "JSON":
            return json.loads(value) if isinstance(value, str) else value
        case "int":
            return int(value)
        case "float":
            return float(value)
        case "bool":
            return value if isinstance(value, bool) else str(value).lower() in ("true", "1", "yes", "y", "t")
        case _:
            return value


class CommandWithFlowParameters(click.Command):  # type: ignore[misc]
    """A command that takes the flow's parameters as options, and knows which of them were given."""

    GIVEN = "kubeflow_pipelines.given"

    def make_context(self, info_name: str, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """Take the flow's parameters anew: Configs and mutators have changed them since the command was made."""
        self.params = list(self.original_params)
        add_custom_parameters(deploy_mode=False)(self)
        return super().make_context(info_name, args, parent=parent, **extra)

    def parse_args(self, ctx: Any, args: list[str]) -> Any:
        """Note what stands on the command line or in the environment, as it was written.

        Defaults belong to the deployed pipeline, and it knows what must be given.
        """
        for option in self.params:
            option.required = False
        on_command_line, _, _ = self.make_parser(ctx).parse_args(args=list(args))
        in_environment = {each.name: each.resolve_envvar_value(ctx) for each in self.params}
        written = {name: text for name, text in in_environment.items() if text is not None} | on_command_line
        ctx.meta[self.GIVEN] = written
        return super().parse_args(ctx, args)


def with_flow_parameters(command: click.Command) -> click.Command:
    """Add the flow's parameters to the command's options."""
    return add_custom_parameters(deploy_mode=False)(command)


def given_parameters(state: State, ctx: Any, values: Mapping[str, Any]) -> dict[str, Any]:
    """The values that were given for the flow's parameters, by the parameters' names.

    A file is stored, and its place known, when the value is called. Values of click's own types are as written.
    """
    written = ctx.meta[CommandWithFlowParameters.GIVEN]
    given = {}
    for each in parameters(state):
        option = each.name.replace("-", "_").lower()
        if option in written:
            kind = parameter_kind(each)
            value = values[option] if kind in (*PARAMETER_KINDS, FILE_KIND) else written[option]
            given[each.name] = _file(value) if kind == FILE_KIND else value
    return given


def _file(value: Any) -> Any:
    if isinstance(value, DelayedEvaluationParameter):
        return lambda: json.loads(value(return_str=True))
    return value.descriptor
