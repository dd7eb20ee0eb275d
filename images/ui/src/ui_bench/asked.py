"""What is measured without a browser: lists of runs, a large log, the process itself."""

from __future__ import annotations

import time

import websocket

from ui_bench.backend import WAIT, Backend
from ui_bench.data import FLOW, LAST_LINE, Data
from ui_bench.report import Report

RESTART = 1012
_DAY = 86_400_000


def questions(newest: int) -> dict[str, dict[str, str]]:
    """What the page Runs can ask, by a name for it."""
    since = int(time.time() * 1000) - 7 * _DAY
    orders = ("ts_epoch", "flow_id", "run", "user", "status", "finished_at", "duration")
    return {
        "newest": {},
        **{f"ordered by {name}, {sign}": {"_order": f"{sign}{name}"} for name in orders for sign in "+-"},
        **{f"of status {name}": {"status": name} for name in ("running", "failed", "completed")},
        **{f"grouped by {name}": {"_group": name, "_group_limit": "10"} for name in ("flow_id", "user", "status")},
        "of a flow": {"flow_id": FLOW},
        "of a user": {"user": "ann"},
        "of a project": {"_tags:any": "project:demand"},
        "with a tag": {"_tags": "quarterly"},
        "of a week": {"ts_epoch:ge": str(since)},
        "by a part of the id": {"run:co": str(newest)[:3]},
        "failed of a user, longest first": {"status": "failed", "user": "bo", "_order": "-duration"},
        "the 100th page": {"_page": "100"},
        "nothing passes": {"_tags": "no-run-has-this-tag"},
    }


def lists(backend: Backend, data: Data, report: Report, times: int) -> None:
    """Any filter or order of Runs."""
    for name, query in questions(data.wide[-1] if data.wide else 1).items():
        question = {"_order": "-ts_epoch", "_limit": "100", **query}
        backend.milliseconds("/runs", question, 1)
        report.times(f"runs: {name}", backend.milliseconds("/runs", question, times), 300)
    for number in data.wide:
        path = f"/flows/{FLOW}/runs/{number}/timeline"
        took = sorted(backend.milliseconds(path, {}, times))[times // 2]
        report.note(f"timeline of run {number}, {len(backend.get(path)['task'])} attempts: p50 {took:.0f} ms")


def log(backend: Backend, data: Data, report: Report, times: int, mebibytes: int) -> None:
    """A large log opens at its end."""
    number = data.wide[0] if data.wide else 1
    flow = FLOW if data.wide else backend.get("/runs", {"run_number": "1"})[0]["flow_id"]
    task = backend.get(f"/flows/{flow}/runs/{number}/tasks", {"_limit": "1", "_order": "+task_id"})[0]
    run = task["run_id"] or number
    name = task["task_name"] or task["task_id"]
    data.write_log(f"{flow}/{run}/{task['step_name']}/{name}", mebibytes)
    path = f"/flows/{flow}/runs/{number}/steps/{task['step_name']}/tasks/{name}/logs/out/window"
    query = {"attempt_id": "0"}
    window = backend.get(path, query)
    if LAST_LINE not in str(window):
        raise RuntimeError(f"{path}: does not open at its end")
    found = f"{window['size'] / 2**20:.0f} MiB"
    report.times("log opened at its end", backend.milliseconds(path, query, times), 500, found)


def process(backend: Backend, report: Report) -> None:
    """Memory after all else, the end with clients told to come back, a start, memory at rest."""
    report.line("memory after the bench", backend.resident_mib(), 150, "MiB")
    client = websocket.create_connection(f"ws://127.0.0.1:{backend.port}/api/changes", WAIT)
    client.recv()
    report.line("end after SIGTERM", backend.end(), 5, "s")
    code = int.from_bytes(client.recv_data()[1][:2], "big")
    client.close()
    report.line("clients told to come back", float(code == RESTART), 1, "of 1", least=True)
    report.line("start until the database answers", backend.start(), 3, "s")
    report.note(f"memory after a start: {backend.resident_mib():.0f} MiB")
