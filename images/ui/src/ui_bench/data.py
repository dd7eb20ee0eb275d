"""Many made-up runs in a database, and one huge log."""

from __future__ import annotations

import contextlib
import itertools
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from metadata_testbed.service import run_command
from ui_demo.runs import Making, Wanted
from ui_demo.shapes import SHAPES
from ui_demo.stored import Stored
from ui_demo.tables import Rows, advance, write

FLOW = SHAPES[1].name
"""The flow of the wide runs."""
TABLES = ("runs_v3", "tasks_v3", "metadata_v3", "artifact_v3")
LAST_LINE = "this is the last line of all"


@dataclass(frozen=True)
class Data:
    """A filled database and the folder of its datastore; `wide` are the numbers of the wide runs."""

    target: str | Path
    folder: Path
    wide: tuple[int, ...]
    # Apart from all others, also as a part of a page's text.
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(77_000_001))

    @property
    def settings(self) -> dict[str, str]:
        """The variables that name both."""
        name = "MF_METADATA_DB_FILE" if isinstance(self.target, Path) else "MF_METADATA_DB_DSN"
        return {name: str(self.target), "METAFLOW_DATASTORE_SYSROOT_LOCAL": str(self.folder)}

    def rows(self, table: str) -> int:
        """How many rows a table holds."""
        query = f"SELECT count(*) FROM {table}"
        if isinstance(self.target, Path):
            with contextlib.closing(sqlite3.connect(self.target)) as connection:
                return int(connection.execute(query).fetchone()[0])
        with psycopg.connect(self.target) as postgres:
            found = postgres.execute(query).fetchone()
            return int(found[0]) if found else 0

    def begin_run(self) -> int:
        """Begin one more run, behind the service's back; gives its number."""
        number, now, rows = next(self._numbers), time.time_ns() // 1_000_000, Rows()
        rows.add("runs_v3", {"flow_id": FLOW, "run_number": number, "user_name": "ann", "ts_epoch": now})
        write(self.target, rows)
        return number

    def write_log(self, task: str, mebibytes: int) -> None:
        """Give a task, named as FLOW/RUN/STEP/TASK, a log on standard output of that size."""
        place = Stored(self.folder)
        place.log(task, 0, "stdout", 0, ["x" * 200] * 4096)
        file = Path(place.address, task, "0.task_stdout.log")
        block = file.read_bytes()
        with file.open("wb") as out:
            while out.tell() < mebibytes * 2**20:
                out.write(block)
            out.write(block[: block.index(b"]") + 1] + f"{LAST_LINE}\n".encode())


def make(target: str | Path, folder: Path, runs: int, wide: tuple[int, ...], stored: int = 60) -> Data:
    """Fill an empty database; `stored` of the newest runs have files.

    Raises RuntimeError where its tables cannot be made.
    """
    data = Data(target, folder, tuple(range(runs + 1, runs + 1 + len(wide))))
    database = {name: value for name, value in data.settings.items() if name.startswith("MF_METADATA_DB")}
    done = run_command("migrate", **database)
    if done.returncode:
        raise RuntimeError(done.stderr)
    for rows in Making(Wanted(runs, wide, stored=stored), time.time_ns() // 1_000_000, Stored(folder)).batches():
        write(target, rows)
    advance(target)
    return data
