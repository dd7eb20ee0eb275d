"""Who comes from Metaflow's Argo integration finds each of its commands and options here, or the reason why not."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from metaflow._vendor import click
from metaflow.plugins.argo.argo_workflows_cli import argo_workflows

from bridge.tests.lib.commands import commands
from metaflow_extensions.tributary.plugins.kubeflow_pipelines import cli, support

OURS = cli.kubeflow_pipelines
FLOW = Path(__file__).parents[1] / "flows" / "linear_flow.py"


def words(option: Any) -> list[str]:
    """What may be written of an option."""
    return [word for word in (*option.opts, *option.secondary_opts) if word.startswith("-")]


def of_argo() -> Iterator[tuple[str, str]]:
    """Each command of Argo's that has its name here, with each of its options."""
    for name, theirs in argo_workflows.commands.items():
        if name not in support.ARGO_COMMANDS:
            yield from ((name, word) for option in theirs.params for word in words(option))


@pytest.mark.parametrize("name", sorted(argo_workflows.commands))
def test_each_command_is_ours_by_name_or_refused_with_a_reason(name: str) -> None:
    assert OURS.commands[name].hidden == (name in support.ARGO_COMMANDS)


@pytest.mark.parametrize(("name", "word"), list(of_argo()))
def test_each_option_is_ours_by_name_or_refused_with_a_reason(name: str, word: str) -> None:
    (option,) = (each for each in OURS.commands[name].params if word in words(each))
    assert (not option.expose_value) == (word in support.ARGO_OPTIONS)
    assert name == "create" or option.expose_value


def test_the_options_in_front_of_a_command_are_ours_too() -> None:
    assert {word for each in argo_workflows.params for word in words(each)} <= {
        word for each in OURS.params for word in words(each)
    }


def test_a_refused_option_takes_what_argos_takes() -> None:
    theirs = {word: each for each in argo_workflows.commands["create"].params for word in words(each)}
    ours = {word: each for each in OURS.commands["create"].params for word in words(each)}
    for word in support.ARGO_OPTIONS.keys() & theirs.keys():
        shapes = [
            (each.name, each.is_flag, each.multiple, each.type, words(each)) for each in (ours[word], theirs[word])
        ]
        assert shapes[0] == shapes[1]


def test_what_is_refused_stands_in_no_help() -> None:
    whole, create = (each.get_help(click.Context(each)) for each in (OURS, OURS.commands["create"]))
    assert "--max-workers" in create and "terminate" in whole
    assert not [word for word in support.ARGO_OPTIONS if word in create]
    assert not [name for name in support.ARGO_COMMANDS if f"  {name}" in whole]


GIVEN: Mapping[str, tuple[str, ...]] = {
    "create": (
        *("--notify-on-error", "--notify-slack-webhook-url", "https://chat/secret", "--no-auto-emit-argo-events"),
        *("--workflow-priority", "5", "--incident-io-metadata", "a=b", "--incident-io-metadata", "c=d", "--only-json"),
    ),
    "suspend": ("kfp-1",),
    "unsuspend": ("kfp-1", "--authorize", "token"),
    "heartbeat": ("--run_id", "kfp-1", "--tag", "a"),
    "list-workflow-templates": ("--all",),
}


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[int, str, str]]:
    """What each of these commands says: its exit code, stdout and stderr."""
    flow = tmp_path_factory.mktemp("argo") / FLOW.name
    flow.write_text(FLOW.read_text())
    top = ("--quiet", "--metadata", "local", "kubeflow-pipelines")
    done = commands([(flow, (*top, name, *arguments)) for name, arguments in GIVEN.items()])
    return {name: (each.returncode, each.stdout, each.stderr) for name, each in zip(GIVEN, done, strict=True)}


@pytest.mark.slow
def test_all_options_are_refused_at_once_and_beside_what_is_wrong_with_the_flow(
    said: dict[str, tuple[int, str, str]],
) -> None:
    code, out, err = said["create"]
    assert (code, out) == (2, "")
    controller = "it needs the controller in the cluster, which is not part of this release"
    assert err.splitlines() == [
        f"--notify-on-error: is refused: {controller}. Leave it out.",
        f"--notify-slack-webhook-url: is refused: {controller}. Leave it out.",
        "--no-auto-emit-argo-events: is refused: it has no meaning here, where no events are sent. Leave it out.",
        f"--workflow-priority: is refused: {controller}. Leave it out.",
        f"--incident-io-metadata: is refused: {controller}. Leave it out.",
        "linear_flow.py:8: flow 'LinearFlow': metadata provider 'local' would lose what pods report. "
        "Use --metadata service.",
    ]


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(support.ARGO_COMMANDS))
def test_a_command_of_argos_is_refused_whatever_it_is_given(name: str, said: dict[str, tuple[int, str, str]]) -> None:
    law = support.ARGO_COMMANDS[name]
    assert said[name] == (2, "", f"{name}: is refused: {law.note}. {law.instead}.\n")
