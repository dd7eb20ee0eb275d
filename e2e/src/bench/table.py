"""The numbers as text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.compiling import Compiled


@dataclass(frozen=True)
class Row:
    """One run: what it was, how many steps or tasks it had, and what it cost."""

    name: str
    tasks: int
    seconds: float
    pods: int
    workflow_bytes: int


def of_runs(rows: Sequence[Row]) -> str:
    """A line a run."""
    lines = [f"{'run':44} {'tasks':>6} {'seconds':>8} {'a task':>7} {'pods':>5} {'workflow bytes':>14}"]
    for row in rows:
        each = row.seconds / row.tasks
        lines.append(
            f"{row.name:44} {row.tasks:>6} {row.seconds:>8.1f} {each:>7.2f} {row.pods:>5} {row.workflow_bytes:>14,}"
        )
    return "\n".join(lines)


def of_compiling(measured: Sequence[Compiled]) -> str:
    """A line a flow."""
    lines = [f"{'compiled':44} {'seconds':>8} {'Metaflow':>8} {'bytes':>9}"]
    for each in measured:
        lines.append(f"{each.name:44} {each.seconds:>8.2f} {each.metaflow:>8.2f} {each.size:>9,}")
    return "\n".join(lines)
