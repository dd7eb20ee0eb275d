"""What a client of Metaflow would record, as rows: runs and tasks that begin and end while a page is open."""

from __future__ import annotations

import time
from pathlib import Path

from ui_demo.stored import Stored
from ui_demo.tables import Record, Rows

from .conftest import Site


def new_run(site: Site, name: str, number: int, **fields: object) -> Record:
    """A run that has begun just now; gives its row."""
    rows, now = Rows(), time.time_ns() // 1_000_000
    rows.add("flows_v3", {"flow_id": name, "user_name": "ann", "ts_epoch": now})
    run = {"flow_id": name, "run_number": number, "user_name": "ann", "ts_epoch": now, **fields}
    rows.add("runs_v3", {**run, "last_heartbeat_ts": now // 1000})
    site.write(rows)
    return run


def new_task(site: Site, run: Record, step: str, number: int, value: str = "") -> Record:
    """A task that has begun just now, and its step, if none of it has."""
    rows, now = Rows(), time.time_ns() // 1_000_000
    row = {key: run[key] for key in ("flow_id", "run_number", "user_name")} | {"step_name": step, "ts_epoch": now}
    task = {**row, "task_id": number}
    if (key := (run["flow_id"], run["run_number"], step)) not in site.begun:
        site.begun.add(key)
        rows.add("steps_v3", row)
    rows.add("tasks_v3", {**task, "last_heartbeat_ts": now // 1000})
    mark(rows, task, "attempt", "0")
    mark(rows, task, "ds-type", site.kind)
    mark(rows, task, "ds-root", site.root)
    if value:
        mark(rows, task, "foreach-stack", value)
    site.write(rows)
    return task


def note(site: Site, task: Record, name: str, value: str) -> None:
    """A field of metadata."""
    rows = Rows()
    mark(rows, task, name, value)
    site.write(rows)


def graph(site: Site, run: Record, steps: Record) -> None:
    """What the flow records of itself."""
    sha, kind = Stored(Path(site.root).parent).artifact(run["flow_id"], {"steps": steps, "parameters": []})
    task, rows = new_task(site, run, "_parameters", run["run_number"] * 100), Rows()
    place = {"location": f":root:{site.root}", "ds_type": "local", "sha": sha, "type": kind, "attempt_id": 0}
    rows.add("artifact_v3", {**task, **place, "name": "_graph_info", "content_type": "gzip+pickle-v4"})
    site.write(rows)


def mark(rows: Rows, task: Record, name: str, value: str) -> None:
    at = time.time_ns() // 1_000_000
    record = {"field_name": name, "value": value, "type": name, "ts_epoch": at, "tags": ["attempt_id:0"]}
    rows.add("metadata_v3", {**task, **record})


def end(site: Site, task: Record, ok: bool) -> None:
    rows = Rows()
    mark(rows, task, "attempt_ok", str(ok))
    mark(rows, task, "attempt-done", "0")
    site.write(rows)
