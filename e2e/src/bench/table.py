"""The numbers as text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from bench.compiling import Compiled, Wide


@dataclass(frozen=True)
class Row:
    """One run: what it was, how many steps or tasks it had, and what it cost. Of one that was only computed, pods are
    all that is known.
    """

    name: str
    tasks: int
    pods: int
    seconds: float | None = None
    workflow_bytes: int | None = None

    @property
    def seconds_a_task(self) -> float | None:
        """The run's wall time by its tasks."""
        return None if self.seconds is None else self.seconds / self.tasks


def of_runs(rows: Sequence[Row]) -> str:
    """A line a run."""
    lines = [f"{'run':44} {'tasks':>6} {'seconds':>8} {'a task':>7} {'pods':>5} {'a task':>6} {'workflow bytes':>14}"]
    for row in rows:
        seconds, each = (_number(value, ".1f") for value in (row.seconds, row.seconds_a_task))
        size = _number(row.workflow_bytes, ",")
        pods = row.pods / row.tasks
        lines.append(f"{row.name:44} {row.tasks:>6} {seconds:>8} {each:>7} {row.pods:>5} {pods:>6.2f} {size:>14}")
    return "\n".join(lines)


def over(rounds: Sequence[Sequence[Row]]) -> str:
    """A line a flow: what one of its steps takes beyond a bare one, in the mean of the rounds and at the least and the
    most. A round is the bare run and after it those of the flows, in the same order each time.

    Raises ValueError when one of them has not run.
    """
    bare, *flows = ([_seconds_a_task(row) for row in rows] for rows in zip(*rounds, strict=True))
    lines = []
    for row, each in zip(rounds[0][1:], flows, strict=True):
        more = [seconds - yardstick for seconds, yardstick in zip(each, bare, strict=True)]
        share = sum(more) / sum(bare)
        lines.append(
            f"{row.name}: {fmean(more):+.1f} s a step over a bare one ({share:+.0%}), "
            f"in {len(rounds)} rounds from {min(more):+.1f} to {max(more):+.1f} s"
        )
    return "\n".join(lines)


def _seconds_a_task(row: Row) -> float:
    if row.seconds_a_task is None:
        raise ValueError(f"{row.name} has not run")
    return row.seconds_a_task


def of_compiling(measured: Sequence[Compiled]) -> str:
    """A line a flow. Of the processor's seconds, Metaflow's own commands take those in the column behind."""
    lines = [f"{'compiled':44} {'seconds':>8} {'processor':>9} {'Metaflow':>8} {'bytes':>9}"]
    for each in measured:
        seconds = f"{each.seconds:>8.2f} {each.processor:>9.2f} {each.metaflow:>8.2f}"
        lines.append(f"{each.name:44} {seconds} {each.size:>9,}")
    return "\n".join(lines)


def of_width(wide: Wide) -> str:
    """A line."""
    words = f"a foreach of {wide.splits:,} in batches: some {wide.size:,} bytes in Argo, which keeps {wide.limit:,}"
    return f"{words}; a pod a split: {wide.unbatched:,}"


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
