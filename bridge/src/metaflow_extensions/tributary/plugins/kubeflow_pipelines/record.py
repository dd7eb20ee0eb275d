"""What a pod must know about the deployment it belongs to.

`create` stores one such record beside the code package, so that the pipeline spec carries a URL and not the facts of
every step. Standard library only: both the compiler and the runner inside a step's container import it.
"""

import json
import types
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, is_dataclass
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

SCHEMA_VERSION = 1

StepKind = Literal["start", "linear", "split", "foreach", "join", "end", "split-switch"]
Loops = Literal["pod", "pods"]
Encoding = Literal["text", "json", "value"]


class RecordError(ValueError):
    """The text is not a record of this version."""


@dataclass(frozen=True)
class ParameterRecord:
    """One Metaflow parameter and the pipeline input that carries it.

    `encoding` says how the pipeline input's value is written when it reaches the container's arguments: "text" is the
    value itself, "json" is JSON; so is "value", whose parameter's own value is JSON too.
    `unset` is the one text that means "nobody gave a value"; None where every text is a value.
    """

    name: str
    input: str
    encoding: Encoding
    unset: str | None


@dataclass(frozen=True)
class GangRecord:
    """A @parallel step: what each pod of its gang asks of a node (as in a container's `resources`), and how long the
    pods look for the first one's address.
    """

    resources: dict[str, dict[str, str]]
    resolution_seconds: int


@dataclass(frozen=True)
class StepRecord:
    """One step: its place in Metaflow's graph, and what its decorators ask of the runner.

    `kind`, `in_funcs` (in Metaflow's order), `out_funcs`, `split_parents` and `matching_join` are as in
    metaflow.graph.DAGNode.
    `foreach_parents` are the foreach steps around the step, outermost first; a task's index path has one index for
    each.
    `user_code_retries` and `error_retries` are the two numbers of step_task_retry_count(), each the largest over the
    step's decorators.
    `minutes_between_retries` is @retry's. `timeout_seconds` is None without @timeout. `environment` is what
    @environment sets.
    `interpreter` is what runs the step, in the shell's words, None for the container's own Python; the shell commands
    in `bootstrap` set it up.
    `decospecs` are the decorators that do not stand in the flow's file (as given to --with), one option value each.
    `gang` is None but for a @parallel step. The step that starts one is of kind "linear", and its `split_parents` are
    those of Metaflow all the same.
    """

    kind: StepKind
    in_funcs: tuple[str, ...]
    out_funcs: tuple[str, ...]
    split_parents: tuple[str, ...]
    matching_join: str | None
    foreach_parents: tuple[str, ...]
    user_code_retries: int
    error_retries: int
    minutes_between_retries: int
    timeout_seconds: int | None
    environment: dict[str, str]
    decospecs: tuple[str, ...]
    interpreter: str | None = None
    bootstrap: tuple[str, ...] = ()
    gang: GangRecord | None = None


@dataclass(frozen=True)
class Deployment:
    """One deployed version of a flow.

    `flow_file` is the path of the flow's file inside the code package. The three code_* are what Metaflow calls
    METAFLOW_CODE_URL, _SHA and _METADATA. The *_type names are the TYPE of the flow's environment, datastore, metadata
    provider, event logger and monitor.
    `options` are top-level command line options (as flow decorators ask for them), ready for argv.
    `environment` holds variables for all steps, for instance METAFLOW_FLOW_CONFIG_VALUE.
    `loops` says whether a pod runs all rounds of a step that follows itself, or one.
    """

    schema_version: int
    pipeline: str
    flow_name: str
    flow_file: str
    start_step: str
    end_step: str
    owner: str
    production_token: str | None
    namespace: str | None
    tags: tuple[str, ...]
    code_url: str
    code_sha: str
    code_metadata: str
    environment_type: str
    datastore_type: str
    datastore_root: str
    metadata_type: str
    event_logger_type: str
    monitor_type: str
    options: tuple[str, ...]
    environment: dict[str, str]
    loops: Loops
    parameters: tuple[ParameterRecord, ...]
    steps: dict[str, StepRecord]

    def to_json(self) -> str:
        """The record as JSON: the same text for the same record."""
        return json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str | bytes) -> "Deployment":
        """The record out of its JSON; RecordError names the first field that is missing, unknown or of another type."""
        try:
            document = json.loads(text)
        except ValueError as error:
            raise RecordError(f"deployment record: is not JSON ({error}). Deploy the flow again.") from error
        version = document.get("schema_version") if isinstance(document, dict) else None
        if version != SCHEMA_VERSION:
            raise RecordError(
                f"deployment record: has schema version {version!r}, this code reads {SCHEMA_VERSION}. "
                "Deploy the flow again."
            )
        record = _read(cls, document, "deployment record")
        assert isinstance(record, cls)
        return record


def _read(kind: Any, value: Any, where: str) -> Any:
    """Give value as kind (a dataclass, tuple, dict, Literal, union or plain type), or raise RecordError."""
    origin = get_origin(kind)
    if is_dataclass(kind):
        return _read_fields(kind, _of(dict, value, where), where)
    if origin is tuple:
        (item, _ellipsis) = get_args(kind)
        return tuple(_read(item, each, f"{where}[{index}]") for index, each in enumerate(_of(list, value, where)))
    if origin is dict:
        (_key, item) = get_args(kind)
        return {name: _read(item, each, f"{where}.{name}") for name, each in _of(dict, value, where).items()}
    if origin is Literal:
        if value not in get_args(kind):
            raise _wrong(where, f"is {value!r}, not one of {', '.join(map(repr, get_args(kind)))}")
        return value
    if origin in (Union, types.UnionType):
        (some,) = (choice for choice in get_args(kind) if choice is not type(None))
        return None if value is None else _read(some, value, where)
    return _of(kind, value, where)


def _read_fields(kind: Any, value: Mapping[str, Any], where: str) -> Any:
    hints = get_type_hints(kind)
    names = [field.name for field in fields(kind)]
    if missing := [name for name in names if name not in value]:
        raise _wrong(where, f"lacks {', '.join(missing)}")
    if unknown := [name for name in value if name not in names]:
        raise _wrong(where, f"has unknown fields {', '.join(unknown)}")
    return kind(**{name: _read(hints[name], value[name], f"{where}.{name}") for name in names})


def _of(kind: type, value: Any, where: str) -> Any:
    if type(value) is not kind:
        raise _wrong(where, f"is {value!r}, not a {kind.__name__}")
    return value


def _wrong(where: str, what: str) -> RecordError:
    return RecordError(f"{where}: {what}. Deploy the flow again with the extension that runs it.")
