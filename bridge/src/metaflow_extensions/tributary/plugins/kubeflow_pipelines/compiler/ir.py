"""The flow as the compiler's stages see it: frozen data, none of Metaflow's objects."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from .capabilities import EVERYTHING, Capabilities

StepKind = Literal["start", "linear", "split", "foreach", "join", "end", "split-switch"]

Loops = Literal["pod", "pods"]
"""Where the rounds of a step that follows itself run: all in one pod, or each in a pod of its own."""

# Metaflow's parameter types whose values are plain JSON. Values of other types travel as the text that was given.
JSON_KIND = "JSON"
PARAMETER_KINDS = ("str", "int", "float", "bool", JSON_KIND)

# Metaflow's name of an IncludeFile's type, and ours of a type whose values are several.
FILE_KIND = "FilePath"
SEVERAL_KIND = "several values"


@dataclass(frozen=True)
class Place:
    """Where something stands in the user's code."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True)
class Decorator:
    """One decorator of a step or of the flow. `changed` names the attributes that differ from Metaflow's default.

    `mistake` is why Metaflow could not read its attributes, None when it could. `unknown` are the names of those that
    it was given and does not have.
    """

    name: str
    attributes: Mapping[str, Any]
    changed: frozenset[str] = frozenset()
    mistake: str | None = None
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True)
class Step:
    """One step. `next` and `previous` are its neighbours, `join` is where a split or foreach that starts here ends.

    `foreaches` are the foreach steps around it, outermost first. `retries` and `fallbacks` are Metaflow's two counts of
    further attempts: of the user's code, and of @catch.
    `interpreter` and `bootstrap` are what runs the step, and what sets that up, where it is not the container's Python.

    `parallel` says that the step ends in self.next(..., num_parallel=N); its kind is "linear" then, because the step
    that follows, of which `gang` is true, is one task of the pipeline whatever N is.
    """

    name: str
    kind: StepKind
    place: Place
    next: tuple[str, ...]
    previous: tuple[str, ...] = ()
    split_parents: tuple[str, ...] = ()
    join: str | None = None
    foreaches: tuple[str, ...] = ()
    parallel: bool = False
    gang: bool = False
    decorators: tuple[Decorator, ...] = ()
    retries: int = 0
    fallbacks: int = 0
    minutes_between_retries: int = 0
    timeout_seconds: int | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    decospecs: tuple[str, ...] = ()
    interpreter: str | None = None
    bootstrap: tuple[str, ...] = ()

    @property
    def exits(self) -> tuple[str, ...]:
        """The steps that may follow, each once, without the step itself."""
        return tuple(dict.fromkeys(name for name in self.next if name != self.name))

    @property
    def recursive(self) -> bool:
        """Whether the step may follow itself."""
        return self.name in self.next

    def decorator(self, name: str) -> Decorator | None:
        """The step's first decorator of this name."""
        return next((each for each in self.decorators if each.name == name), None)


@dataclass(frozen=True)
class Parameter:
    """A Metaflow parameter. `default` is JSON text, None where there is none; `kind` is Metaflow's name of its type.

    `file` is the default of an IncludeFile, a path on this machine. `options` names what else the flow asks of the
    command line for it.
    """

    name: str
    input: str
    kind: str
    default: str | None
    required: bool
    help: str = ""
    file: str | None = None
    options: tuple[str, ...] = ()


@dataclass(frozen=True)
class Flow:
    """The whole flow, and what the command line says of its surroundings. `steps` are in topological order.

    `schedule` is what @schedule comes to, as the user or Metaflow wrote it; None for never.
    """

    name: str
    file: str
    place: Place
    help: str
    start: str
    end: str
    steps: Mapping[str, Step]
    parameters: tuple[Parameter, ...] = ()
    configs: tuple[str, ...] = ()
    decorators: tuple[Decorator, ...] = ()
    schedule: str | None = None
    environment_type: str = "local"
    datastore_type: str = "s3"
    datastore_root: str = ""
    metadata_type: str = "service"
    event_logger_type: str = "nullSidecarLogger"
    monitor_type: str = "nullSidecarMonitor"
    options: tuple[str, ...] = ()


@dataclass(frozen=True)
class Target:
    """What the spec is made for: the pipeline's name, the pods' config and secret, how wide a foreach may run, and
    where the rounds of a step that follows itself do.

    `service_token` says whether the metadata service asks for tokens; then the secret holds one.
    `workflow_timeout` is the most seconds that a run may take. `title` and `description` are for people to read.
    `capabilities` is what the server understands; before it has been asked, what the newest understands.
    `secrets` are those whose keys every step gets as variables.
    `fuse` lets one pod run several steps. `splits_per_pod` is how many splits of a foreach a pod runs at least, where
    its body is one pod; None for as many as `max_workers` makes necessary, and 1 for never more.
    """

    pipeline: str
    max_workers: int
    steps_config: str | None = None
    steps_secret: str | None = None
    service_token: bool = False
    secrets: tuple[str, ...] = ()
    namespace: str | None = None
    workflow_timeout: int | None = None
    title: str | None = None
    description: str | None = None
    capabilities: Capabilities = EVERYTHING
    loops: Loops = "pod"
    fuse: bool = True
    splits_per_pod: int | None = None
