"""What decorators raise while Metaflow sets up a flow for this extension's command, kept to be said all at once.

Metaflow makes decorators when it imports the flow's file, initialises them before any command runs, and ends at the
first that raises: with a traceback when somebody wrote nosuch=1 or memory='abc'. Kept with its decorator, a mistake is
said with all others, with its line. What cannot be kept, because there is no flow then, is said in a sentence too.
Other commands are left as they are.

This is the part of compat.py that must be in place early: Metaflow imports it with this extension's step decorator,
when it has not imported its own yet, so they are known by their names here.
"""

import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from traceback import walk_tb
from types import TracebackType
from typing import Any

from metaflow import decorators
from metaflow._vendor import click
from metaflow.exception import MetaflowException, MetaflowInternalError
from metaflow.user_configs.config_parameters import UNPACK_KEY

from .pod.origin import CLONE_GROUP

COMMAND = "kubeflow-pipelines"

# What a decorator's own checks raise when it is given what it cannot read.
_RAISED = (MetaflowException, ValueError, TypeError, AttributeError, KeyError)

# What the runner has Metaflow's command line do in a pod of a pipeline, this extension's own group among it, and what
# @card starts there. Whatever else somebody starts there is Metaflow's own.
_IN_A_POD = ("init", "step", "card", CLONE_GROUP)

_INITIALISERS = ("external_init", "step_init", "step_init_ctx", "flow_init", "flow_init_ctx")


def keep() -> None:
    """From now on, keep what decorators raise while Metaflow sets up this extension's command."""
    decorators.Decorator.__init__ = _without_unknown(decorators.Decorator.__init__)
    sys.excepthook = _in_a_sentence(sys.excepthook)
    decorators._init_step_decorators = _keeping(decorators._init_step_decorators, _step_decorators)
    decorators._init_flow_decorators = _keeping(decorators._init_flow_decorators, _flow_decorators)


def mistake(decorator: Any) -> str | None:
    """Why Metaflow could not initialise this decorator; None when it could."""
    return getattr(decorator, "_tributary_mistake", None)


def plain(said: Any) -> str:
    """Metaflow's words on one line. It prints in bold what stands between asterisks, which are left out."""
    line = " ".join(str(said).split())
    return re.sub(r"\*(\S(?:[^*]*\S)?)\*", r"\1", line)


def unknown(decorator: Any) -> tuple[str, ...]:
    """The attributes that the decorator was given and does not have."""
    return tuple(getattr(decorator, "_tributary_unknown", ()))


def keep_mistakes_of(decorator: Any) -> None:
    """Make each of the decorator's initialisers note what it raises, and none run after one that did."""
    if hasattr(decorator, "_tributary_mistake"):
        return
    decorator._tributary_mistake = None
    spare_limits_of_jobs(decorator)
    for name in _INITIALISERS:
        if (init := getattr(decorator, name, None)) is not None:
            setattr(decorator, name, _noting(decorator, init))


def spare_limits_of_jobs(decorator: Any) -> None:
    """Have @kubernetes not check what holds for Metaflow's own jobs only. Other decorators are left as they are."""
    if decorator.name == "kubernetes":
        decorator.step_init = _for_pipelines(decorator.step_init)


def _without_unknown(make: Callable[..., None]) -> Callable[..., None]:
    def make_and_note(decorator: Any, attributes: Mapping[str, Any] | None = None, *rest: Any, **options: Any) -> None:
        given = attributes or {}
        if COMMAND not in sys.argv:
            make(decorator, attributes, *rest, **options)
            return
        # Under such names lies what a Config holds. Metaflow looks at it later.
        known = {name for name in given if name in decorator.defaults or name.startswith(UNPACK_KEY)}
        decorator._tributary_unknown = tuple(name for name in given if name not in known)
        make(decorator, {name: value for name, value in given.items() if name in known}, *rest, **options)

    return make_and_note


def _in_a_sentence(show: Callable[..., None]) -> Callable[..., None]:
    """For what a flow's file raises while it is imported, and Metaflow or Python has said all there is to say of it."""

    def say(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        is_metaflows = isinstance(error, MetaflowException) and not isinstance(error, MetaflowInternalError)
        if COMMAND not in sys.argv or not (is_metaflows or isinstance(error, (ImportError, SyntaxError))):
            show(kind, error, trace)
            return
        said = error.message if isinstance(error, MetaflowException) else str(getattr(error, "msg", error))
        print(f"{_place(error, trace)}: {kind.__name__}: {plain(said).rstrip('.')}. Correct it.", file=sys.stderr)
        raise SystemExit(2)

    return say


def _place(error: BaseException, trace: TracebackType | None) -> str:
    """The line of the flow's file that did not work, or of a module of the user's with an error in its syntax."""
    if isinstance(error, SyntaxError):
        return f"{os.path.relpath(error.filename or sys.argv[0])}:{error.lineno}"
    file = os.path.abspath(sys.argv[0])
    lines = [line for frame, line in walk_tb(trace) if os.path.abspath(frame.f_code.co_filename) == file]
    return ":".join([os.path.relpath(file), *(str(line) for line in lines[-1:])])


def _keeping(init: Callable[..., None], found: Callable[[Any], Iterator[Any]]) -> Callable[..., None]:
    def init_and_keep(flow: Any, *rest: Any, **options: Any) -> None:
        context = click.get_current_context(silent=True)
        command = (getattr(context, "saved_args", None) or [None])[0]
        if command == COMMAND:
            for decorator in found(flow):
                keep_mistakes_of(decorator)
        elif command in _IN_A_POD and os.environ.get("METAFLOW_RUNTIME_NAME") == COMMAND:
            for decorator in found(flow):
                spare_limits_of_jobs(decorator)
        init(flow, *rest, **options)

    return init_and_keep


def _step_decorators(flow: Any) -> Iterator[Any]:
    return (decorator for step in flow for decorator in step.decorators)


def _flow_decorators(flow: Any) -> Iterator[Any]:
    return (decorator for found in flow._flow_decorators.values() for decorator in found)


def _noting(decorator: Any, init: Callable[..., None]) -> Callable[..., None]:
    def init_or_note(*arguments: Any, **options: Any) -> None:
        if decorator._tributary_mistake is not None:
            return
        try:
            init(*arguments, **options)
        except MetaflowInternalError:
            raise
        except _RAISED as error:
            said = error.message if isinstance(error, MetaflowException) else f"{type(error).__name__}: {error}"
            decorator._tributary_mistake = plain(said).rstrip(".")

    return init_or_note


def _for_pipelines(step_init: Callable[..., None]) -> Callable[..., None]:
    """@kubernetes's checks without two that hold for Metaflow's own jobs only.

    Those refuse a @timeout under 60 seconds, since they stop the pod; and a datastore that is not shared, which is
    refused for the whole flow.
    """

    def filtered(
        flow: Any, graph: Any, step: str, found: list[Any], environment: Any, datastore: Any, logger: Any
    ) -> None:
        if datastore.TYPE != "local":
            kept = [each for each in found if each.name != "timeout"]
            step_init(flow, graph, step, kept, environment, datastore, logger)

    return filtered
