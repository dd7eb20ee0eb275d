"""How long a flow takes to compile, and how large it and its runs are then. Touches no server."""

from __future__ import annotations

import json
import resource
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from laptop.shell import Laptop
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.compiler import size
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.compiler.emit import Documents
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.compiler.ir import Target

LONG = 500
WIDEST = 10_000


@dataclass(frozen=True)
class Compiled:
    """`create --only-json` of one flow: its seconds by the clock and by the processor, the processor's for a command of
    Metaflow's own, and its bytes.
    """

    name: str
    seconds: float
    processor: float
    metaflow: float
    size: int


@dataclass(frozen=True)
class Wide:
    """The bytes that a run of a foreach is thought to take in Argo, in batches and with a pod for each split; and how
    many Argo keeps.
    """

    splits: int
    size: int
    unbatched: int
    limit: int


def measure(laptop: Laptop) -> list[Compiled]:
    """A flow of 500 steps: all in one pod, and each in its own."""
    with tempfile.TemporaryDirectory() as folder:
        found = []
        flow = Path(folder, "long_flow.py")
        flow.write_text(long_flow(LONG))
        for words in ((), ("--no-fuse",)):
            _, metaflow, _ = _timed(laptop, flow, "show")
            seconds, processor, written = _timed(laptop, flow, *_COMPILE, *words)
            name = " ".join((f"{LONG} steps", *words))
            found.append(Compiled(name, seconds, processor, metaflow, len(written)))
    return found


def wide(laptop: Laptop, flow: Path, splits: int = WIDEST) -> Wide:
    """A flow with one wide foreach, at this width."""
    batched, unbatched = (_size_of_run(laptop, flow, splits, words) for words in ((), ("--splits-per-pod", "1")))
    return Wide(splits, batched, unbatched, size.LIMIT)


def _size_of_run(laptop: Laptop, flow: Path, splits: int, words: Sequence[str]) -> int:
    written = laptop.flow(flow, *_COMPILE, *words, options=["--quiet"]).out
    pipeline, platform = (json.loads(part) for part in written.split("\n---\n"))
    target = Target(pipeline["pipelineInfo"]["name"], max_workers=0)
    return size.estimate(Documents(pipeline, platform), target, splits).total


def long_flow(length: int) -> str:
    """The text of a flow of so many steps."""
    names = ["start", *(f"step_{number}" for number in range(1, length - 1)), "end"]
    lines = ["from metaflow import FlowSpec, step", "", "", "class LongFlow(FlowSpec):"]
    for name, following in zip(names, [*names[1:], ""], strict=True):
        goes_on = f"self.next(self.{following})" if following else "pass"
        lines += ["    @step", f"    def {name}(self):", f"        {goes_on}", ""]
    return "\n".join([*lines, "", 'if __name__ == "__main__":', "    LongFlow()", ""])


_COMPILE = ("kubeflow-pipelines", "create", "--only-json")


def _timed(laptop: Laptop, flow: Path, *words: str) -> tuple[float, float, str]:
    """Seconds by the clock, seconds of the processor, and what was written."""
    before, used = time.monotonic(), _processor()
    out = laptop.flow(flow, *words, options=["--quiet"]).out
    return time.monotonic() - before, _processor() - used, out


def _processor() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
