"""How long a flow takes to compile, and how large it is then. Touches no server."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from laptop.shell import Laptop

LONG = 500


@dataclass(frozen=True)
class Compiled:
    """`create --only-json` of one flow: its seconds, those that Metaflow takes for any command, and its bytes."""

    name: str
    seconds: float
    metaflow: float
    size: int


def measure(laptop: Laptop) -> list[Compiled]:
    """A flow of 500 steps, each with a pod and all in one."""
    with tempfile.TemporaryDirectory() as folder:
        flow = Path(folder, "long_flow.py")
        flow.write_text(long_flow(LONG))
        metaflow, _ = _timed(laptop, flow, "show")
        found = []
        for words in ((), ("--no-fuse",)):
            seconds, size = _timed(laptop, flow, "kubeflow-pipelines", "create", "--only-json", *words)
            found.append(Compiled(f"{LONG} steps {' '.join(words)}".strip(), seconds, metaflow, size))
    return found


def long_flow(length: int) -> str:
    """The text of a flow of so many steps."""
    names = ["start", *(f"step_{number}" for number in range(1, length - 1)), "end"]
    lines = ["from metaflow import FlowSpec, step", "", "", "class LongFlow(FlowSpec):"]
    for name, following in zip(names, [*names[1:], ""], strict=True):
        goes_on = f"self.next(self.{following})" if following else "pass"
        lines += ["    @step", f"    def {name}(self):", f"        {goes_on}", ""]
    return "\n".join([*lines, "", 'if __name__ == "__main__":', "    LongFlow()", ""])


def _timed(laptop: Laptop, flow: Path, *words: str) -> tuple[float, int]:
    before = time.monotonic()
    out = laptop.flow(flow, *words, options=["--quiet"]).out
    return time.monotonic() - before, len(out)
