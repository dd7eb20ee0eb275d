"""How fast the UI is with many runs, on data made for it.

    python -m ui_bench --pages FOLDER [--runs 100000] [--wide 10000 3000] [--parts lists log pages process]

Prints p50 and p95 of each thing, and whether its goal was met. Times of answers are the backend's own, from its log.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from metadata_testbed.postgres import PostgresServer

from ui_bench import asked, data, seen
from ui_bench.backend import Backend
from ui_bench.report import Report

PARTS = ("lists", "log", "pages", "process")


def main(words: Sequence[str] | None = None) -> int:
    """Measure; gives 1 when a goal was missed."""
    given = _parser().parse_args(words)
    report = Report()
    with contextlib.ExitStack() as ends:
        folder = Path(ends.enter_context(tempfile.TemporaryDirectory()))
        target: str | Path = folder / "metadata.db"
        if given.store == "postgres":
            server = PostgresServer()
            server.start()
            ends.callback(server.remove)
            target = server.create_database("bench")
        began = time.monotonic()
        made = data.make(target, folder, given.runs, tuple(given.wide))
        counts = ", ".join(f"{made.rows(table):,} {table.removesuffix('_v3')}" for table in data.TABLES)
        report.note(f"{given.store}: {counts} rows, made in {time.monotonic() - began:.0f} s")
        backend = Backend(folder / "ui.log", {**made.settings, "MF_UI_PAGES": str(given.pages)})
        ends.callback(backend.http.close)
        ends.callback(backend.end)
        report.note(f"memory before anything is asked: {backend.resident_mib():.0f} MiB")
        if "lists" in given.parts:
            asked.lists(backend, made, report, given.times)
        if "log" in given.parts:
            asked.log(backend, made, report, given.times, given.log_mib)
        if "pages" in given.parts:
            seen.pages(backend, made, report, given.times)
        if "process" in given.parts:
            asked.process(backend, report)
    return 0 if report.met else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="ui_bench", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--pages", type=Path, required=True, help="folder of the built pages")
    parser.add_argument("--store", choices=["postgres", "sqlite"], default="postgres", help="the database; postgres")
    parser.add_argument("--runs", type=int, default=100_000, help="runs of everyday size; 100000")
    parser.add_argument(
        "--wide", type=int, nargs="*", default=[10_000, 3_000],
        help="runs with so many tasks: the first is zoomed, the last painted; 10000 3000",
    )  # fmt: skip
    parser.add_argument("--log-mib", type=int, default=200, help="size of the log; 200")
    parser.add_argument("--times", type=int, default=20, help="how often each thing is done; 20")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS, help=f"what to measure; {' '.join(PARTS)}")
    return parser


if __name__ == "__main__":
    sys.exit(main())
