"""The words of Metaflow's Argo integration that our commands do not follow: known, and refused with the reason.

`support.ARGO_OPTIONS` and `support.ARGO_COMMANDS` are the list. None is shown in a help text.
"""

# mypy: disable-error-code="untyped-decorator"
# Metaflow's copy of click has no types.

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeVar

from metaflow._vendor import click

from . import support
from .compiler.problem import Problem
from .refusals import Refused

_GIVEN = f"{__name__}.given"
_NEGATIVE = "--no-"

# What is not one text, as Metaflow's Deployer passes it.
_KINDS: dict[str, dict[str, Any]] = {"--workflow-priority": {"type": int}, "--incident-io-metadata": {"multiple": True}}

Command = TypeVar("Command", bound=Callable[..., Any])


def takes_argo_options(command: Command) -> Command:
    """Let a command be given each of the options; its function does not see them, and asks given_argo_options()."""
    for name in support.ARGO_OPTIONS:
        if not name.startswith(_NEGATIVE):
            command = _option(name)(command)
    return command


def given_argo_options(context: Any) -> list[Problem]:
    """A problem for each of the options that this command line has."""
    found: list[Problem] = context.meta.get(_GIVEN, [])
    return found


def _option(name: str) -> Callable[[Command], Command]:
    negative = _NEGATIVE + name.removeprefix("--")
    words = f"{name}/{negative}" if negative in support.ARGO_OPTIONS else name
    shape = {"default": None, "hidden": True, "expose_value": False, "help": "Refused.", **_KINDS.get(name, {})}
    keep = partial(_keep, name, negative)
    option: Callable[[Command], Command] = click.option(words, callback=keep, **shape)
    return option


def _keep(name: str, negative: str, context: Any, parameter: Any, value: Any) -> Any:
    if value is not None and value != ():
        word = negative if value is False else name
        context.meta.setdefault(_GIVEN, []).append(_problem(word, support.ARGO_OPTIONS[word]))
    return value


def _command(name: str) -> Any:
    law = support.ARGO_COMMANDS[name]

    @click.command(
        name=name,
        hidden=True,
        help=f"Refused: {law.note}. {law.instead}.",
        context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
    )
    @click.argument("run-id", required=False)
    @click.option("--authorize", default=None, hidden=True, help="The deployment's production token.")
    def refuse(run_id: str | None, authorize: str | None) -> None:
        raise Refused(str(_problem(name, law)))

    return refuse


def _problem(word: str, law: support.Support) -> Problem:
    return Problem(word, f"is refused: {law.note}", law.instead)


ARGO_COMMANDS: Mapping[str, Any] = {name: _command(name) for name in support.ARGO_COMMANDS}
