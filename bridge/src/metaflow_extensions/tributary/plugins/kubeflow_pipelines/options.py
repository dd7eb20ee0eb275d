"""Options of the command line that belong together."""

# mypy: disable-error-code="untyped-decorator"
# Metaflow's copy of click has no types.

from collections.abc import Callable
from typing import Any

from metaflow._vendor import click


def shared_pods(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add what decides how many pods run at a time, and whether several tasks share one."""
    width = click.option(
        "--max-workers",
        default=100,
        show_default=True,
        type=click.IntRange(min=1),
        help="How many splits of one foreach run at a time.",
    )
    fuse = click.option(
        "--fuse/--no-fuse",
        default=True,
        show_default=True,
        help="Run steps that follow each other in one pod where their pods would be alike.",
    )
    splits = click.option(
        "--splits-per-pod",
        default=None,
        type=click.IntRange(min=1),
        help="Run so many splits of a foreach in one pod, one after the other, where its body is one pod. Without it "
        "each split has a pod of its own, until there are more than --max-workers; with 1, always.",
    )
    loops = click.option(
        "--loops",
        default="pod",
        show_default=True,
        type=click.Choice(["pod", "pods"]),
        help="Run all rounds of a step that follows itself in one pod, or each in a pod of its own.",
    )
    added: Callable[..., Any] = width(fuse(splits(loops(command))))
    return added
