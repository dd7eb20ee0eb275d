"""`python -m bench bridge` and `python -m bench width`: what flows cost on the cluster that `make install` leaves.

Progress goes to stderr and the table to stdout. Nothing is judged here: the numbers are for people.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from itertools import chain
from pathlib import Path

from bench import compiling, scenes, table
from bench.runs import RunFailed
from bench.table import Row
from cluster.errors import Failed, Refused
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
        cluster = scenes.Cluster.of(Settings.from_environ())
        rows, text = bridge(cluster) if given.what == "bridge" else width(cluster, given.width)
    except Refused as error:
        print(error, file=sys.stderr)
        return 2
    except (Failed, RunFailed, CommandFailed) as error:
        print(error, file=sys.stderr)
        return 1
    print(text)
    if given.json:
        given.json.write_text(json.dumps([asdict(row) for row in rows], indent=2) + "\n")
    return 0


def bridge(cluster: scenes.Cluster) -> tuple[list[Row], str]:
    """What a step costs, and a foreach in a foreach; and what compiling does."""
    rounds = scenes.chains(cluster)
    rows = [*chain.from_iterable(rounds), *scenes.nested(cluster)]
    compiled = table.of_compiling(compiling.measure(cluster.laptop))
    return rows, "\n\n".join((table.of_runs(rows), table.over(rounds), compiled))


def width(cluster: scenes.Cluster, splits: int) -> tuple[list[Row], str]:
    """What a wide foreach costs, and what a wider one would."""
    rows = scenes.width(cluster, splits)
    wider = table.of_width(compiling.wide(cluster.laptop, scenes.WIDE))
    return rows, f"{table.of_runs(rows)}\n\n{wider}"


if __name__ == "__main__":
    sys.exit(main())
