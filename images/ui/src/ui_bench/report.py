"""Lines of figures, each with its goal."""

from __future__ import annotations

import math
from collections.abc import Sequence


class Report:
    """Prints what was found, and knows whether all goals were met."""

    def __init__(self) -> None:
        self.met = True

    def line(self, what: str, value: float, goal: float, unit: str, found: str = "", *, least: bool = False) -> None:
        """One figure that has a goal: at most that, or at least."""
        met = value >= goal if least else value <= goal
        self.met = self.met and met
        sign = "at least" if least else "at most"
        print(f"{'ok  ' if met else 'MISS'} {what}: {_short(value)} {unit}, goal {sign} {goal:g} {unit}", end="")
        print(f" ({found})" if found else "", flush=True)

    def times(self, what: str, milliseconds: Sequence[float], goal: float, found: str = "") -> None:
        """Times in milliseconds; their p95 has the goal."""
        half, most = quantile(milliseconds, 0.5), quantile(milliseconds, 0.95)
        told = f"p50 {_short(half)} ms of {len(milliseconds)}{f', {found}' if found else ''}"
        self.line(f"{what}, p95", most, goal, "ms", told)

    def note(self, what: str) -> None:
        """A figure that has no goal."""
        print(f"     {what}", flush=True)


def quantile(values: Sequence[float], part: float) -> float:
    """The value that so large a part of them does not exceed."""
    return sorted(values)[max(0, math.ceil(len(values) * part) - 1)]


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:,.2f}"
