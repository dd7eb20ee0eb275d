"""`python -m bench bridge` and `python -m bench width`: what flows cost on the cluster that `make install` leaves.

Progress goes to stderr and the table to stdout. Nothing is judged here: the numbers are for people.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from bench import compiling, scenes, table
from bench.runs import RunFailed
from cluster.settings import Settings
from laptop.shell import CommandFailed


def main() -> int:
    """Measure, and print; gives the exit code."""
    parser = argparse.ArgumentParser(prog="bench")
    parser.add_argument("what", choices=("bridge", "width"))
    parser.add_argument("--width", type=int, default=1000, help="how many splits `width` runs")
    parser.add_argument("--json", type=Path, help="write the numbers to this file too")
    given = parser.parse_args()
    try:
        cluster = scenes.Cluster(Settings.from_environ())
        rows = scenes.bridge(cluster) if given.what == "bridge" else scenes.width(cluster, given.width)
        text = table.of_runs(rows)
        if given.what == "bridge":
            text += "\n\n" + table.of_compiling(compiling.measure(cluster.laptop))
    except (RunFailed, CommandFailed) as error:
        print(error, file=sys.stderr)
        return 1
    print(text)
    if given.json:
        given.json.write_text(json.dumps([asdict(row) for row in rows], indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
