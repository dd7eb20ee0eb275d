"""A start-up is a list of named steps. Each says on one line what became of it and how long it took."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from cluster.errors import Failed, Refused
from image_builder.errors import BuildFailed
from image_builder.errors import Refused as ImageRefused
from image_builder.golang import GoBuildError

Say = Callable[[str], None]


@dataclass(frozen=True)
class Step:
    """One step: `done` tells whether there is nothing to do, `do` does it and may report progress.

    Both can be called at any time and any number of times.
    """

    name: str
    done: Callable[[], bool]
    do: Callable[[Say], None]


class Screen(Protocol):
    """Where the lines go."""

    def __call__(self, line: str, /) -> None: ...


def select(steps: Sequence[Step], *, only: str | None = None, start: str | None = None) -> tuple[list[Step], bool]:
    """Choose the steps to run, and whether the first of them is to run even when it is done already.

    Raises Refused for a name that no step has.
    """
    names = [step.name for step in steps]
    for name in (only, start):
        if name is not None and name not in names:
            raise Refused(f"Step {name!r}: there is none of this name. Choose one of {', '.join(names)}.")
    if only is not None:
        return [steps[names.index(only)]], True
    if start is not None:
        return list(steps[names.index(start) :]), True
    return list(steps), False


def show(steps: Sequence[Step], screen: Screen) -> None:
    """Say of each step whether it would run, and run none."""
    width = max((len(step.name) for step in steps), default=0)
    for step in steps:
        screen(f"  {step.name:<{width}}  {'done' if step.done() else 'would run'}")


def run(steps: Sequence[Step], screen: Screen, *, force_first: bool = False) -> None:
    """Run the steps in order. Raises what a step raises, after a line that names the step."""
    width = max((len(step.name) for step in steps), default=0)
    for number, step in enumerate(steps):
        began = time.monotonic()

        def line(word: str, name: str = step.name, began: float = began) -> str:
            return f"  {name:<{width}}  {word:<7} {time.monotonic() - began:6.1f} s"

        def progress(text: str, name: str = step.name, began: float = began) -> None:
            screen(f"  {name:<{width}}  ... {time.monotonic() - began:4.0f} s  {text}")

        forced = force_first and number == 0
        try:
            if not forced and step.done():
                screen(line("done"))
                continue
            step.do(progress)
        except (Failed, Refused, GoBuildError, BuildFailed, ImageRefused) as reason:
            screen(line("failed"))
            raise _named(step.name, reason) from reason
        screen(line("ran"))


def _named(name: str, reason: Exception) -> Exception:
    """The same kind of error with the step's name in front."""
    kind = Refused if isinstance(reason, (Refused, ImageRefused)) else Failed
    return kind(f"{name}: {reason} Again from here: python -m cluster … --from {name}.")
