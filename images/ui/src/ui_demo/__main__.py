"""`python -m ui_demo`: fill an empty database and a local datastore with made-up runs."""

from __future__ import annotations

import argparse
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import psycopg

from ui_demo.runs import Making, Wanted
from ui_demo.stored import Stored
from ui_demo.tables import advance, is_empty, write

_DSN = "MF_METADATA_DB_DSN"


def main(words: Sequence[str] | None = None) -> int:
    """Gives the exit code: 0 done, 1 the database does not take it, 2 refused."""
    given = _parser().parse_args(words)
    folder: Path = given.folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    target: str | Path = os.environ.get(_DSN) or folder / "metadata.db"
    settings = {_DSN: str(target)} if isinstance(target, str) else {"MF_METADATA_DB_FILE": str(target)}
    migrate = [sys.executable, "-m", "metadata_service", "migrate"]
    done = subprocess.run(migrate, env={**os.environ, **settings}, capture_output=True, text=True)
    if done.returncode:
        print(done.stderr, file=sys.stderr, end="")
        return done.returncode
    if not is_empty(target):
        print("The database holds flows already. Give an empty one, or another --folder.", file=sys.stderr)
        return 2
    wanted = Wanted(given.runs, tuple(given.wide), given.days, given.stored)
    count = 0
    try:
        for rows in Making(wanted, time.time_ns() // 1_000_000, Stored(folder), given.seed).batches():
            write(target, rows)
            count += len(rows)
        advance(target)
    except (psycopg.Error, sqlite3.Error) as error:
        print(f"The database refuses: {error}", file=sys.stderr)
        return 1
    print(f"{count} rows. See them with\n\n  {_command(target, folder, given.pages)}\n")
    return 0


def _command(target: str | Path, folder: Path, pages: Path | None) -> str:
    # A connection string may hold a password, so it is not repeated.
    database = "" if isinstance(target, str) else f"MF_METADATA_DB_FILE={target} "
    local = f"METAFLOW_DATASTORE_SYSROOT_LOCAL={folder} MF_UI_METADATA_HOST=127.0.0.1"
    shown = f"MF_UI_PAGES={pages} " if pages else ""
    return f"{database}{shown}{local} {Path(sys.executable)} -m ui_backend serve"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="ui_demo", description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("demo"), help="datastore, and the file of SQLite; ./demo")
    parser.add_argument("--runs", type=int, default=300, help="runs of everyday size; 300")
    parser.add_argument("--wide", type=int, nargs="*", default=[], help="runs with so many tasks in a foreach; none")
    parser.add_argument("--days", type=int, default=60, help="over which the runs are spread; 60")
    parser.add_argument("--stored", type=int, default=60, help="newest runs with logs, cards and artifacts; 60")
    parser.add_argument("--seed", type=int, default=1, help="the same seed makes the same runs; 1")
    parser.add_argument("--pages", type=Path, help="folder of the built pages, named in what is printed at the end")
    parser.epilog = f"With {_DSN} set the rows go to PostgreSQL, otherwise to a file of SQLite in the folder."
    return parser


if __name__ == "__main__":
    sys.exit(main())
