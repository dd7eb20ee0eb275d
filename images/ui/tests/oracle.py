"""What the backend must derive, by plain loops over rows, after the rules of reading/runs.py and reading/tasks.py."""

from __future__ import annotations

from typing import Any

from ui_demo.tables import Record, Rows

CUTOFF_MS = 360_000
OLD_MS = 86_400_000


def run(rows: Rows, row: Record, now: int) -> Record:
    """Status, end and duration of a run."""
    oks, attempts = [], []
    for mark in rows.tables["metadata_v3"]:
        if mark["flow_id"] == row["flow_id"] and mark["run_number"] == row["run_number"] and mark["step_name"] == "end":
            if mark["field_name"] == "attempt":
                attempts.append(mark["ts_epoch"])
            elif mark["field_name"] == "attempt_ok" and _truth(mark["value"]) is not None:
                oks.append((mark["ts_epoch"], _truth(mark["value"])))
    heartbeat = row.get("last_heartbeat_ts")
    beat = None if heartbeat is None else heartbeat * 1000
    if oks:
        at, ok = max(oks, key=lambda pair: (pair[0], bool(pair[1])))
        if ok:
            return _ended("completed", at, row["ts_epoch"])
        if not any(attempt > at for attempt in attempts):
            return _ended("failed", at, row["ts_epoch"])
        return _going("running", beat, row["ts_epoch"], now)
    if _dead(beat, row["ts_epoch"], now):
        return _ended("failed", beat, row["ts_epoch"])
    return _going("running", beat, row["ts_epoch"], now)


def attempts(rows: Rows, task: Record, now: int) -> list[Record]:
    """All attempts of a task, each with its number, begin, end, status and duration."""
    marks: dict[int, list[tuple[str, int, bool | None]]] = {}
    for mark in rows.tables["metadata_v3"]:
        if _same_task(mark, task) and mark["field_name"] in ("attempt", "attempt-done", "attempt_ok"):
            number = _tagged(mark) if mark["field_name"] == "attempt_ok" else _number(mark["value"].strip('" '))
            if number is not None:
                ok = _truth(mark["value"]) if mark["field_name"] == "attempt_ok" else None
                marks.setdefault(number, []).append((mark["field_name"], mark["ts_epoch"], ok))
    for artifact in rows.tables["artifact_v3"]:
        if _same_task(artifact, task) and artifact["name"] == "_task_ok":
            marks.setdefault(artifact["attempt_id"], []).append(("_task_ok", artifact["ts_epoch"], None))
    if not marks:
        return [_attempt(0, [], None, task, now)]
    found = []
    for number in sorted(marks):
        later = [other for other in sorted(marks) if other > number]
        begun = _begun(marks[later[0]]) if later else None
        found.append(_attempt(number, marks[number], begun, task, now))
    return found


def step(rows: Rows, row: Record, now: int) -> Record:
    """How many tasks a step has by the status of their newest attempts, and how long it took."""
    newest = []
    for task in rows.tables["tasks_v3"]:
        if all(task[name] == row[name] for name in ("flow_id", "run_number", "step_name")):
            attempt = attempts(rows, task, now)[-1]
            newest.append((attempt, attempt["started_at"] if attempt["started_at"] is not None else task["ts_epoch"]))
    counts = {name: 0 for name in ("completed", "failed", "running", "pending", "unknown")}
    for attempt, _ in newest:
        counts[attempt["status"]] += 1
    ends = [start + attempt["duration"] for attempt, start in newest if attempt["duration"] is not None]
    return {**counts, "tasks": len(newest), "duration": max(0, max(ends) - row["ts_epoch"]) if ends else None}


def _attempt(
    number: int, marks: list[tuple[str, int, bool | None]], next_at: int | None, task: Record, now: int
) -> Record:
    starts = [at for name, at, _ in marks if name == "attempt"]
    ends = [at for name, at, _ in marks if name != "attempt"]
    oks = [(at, bool(ok)) for _, at, ok in marks if ok is not None]
    started = min(starts) if starts else None
    since = started if started is not None else task["ts_epoch"]
    heartbeat = task.get("last_heartbeat_ts")
    beat = None if heartbeat is None else heartbeat * 1000
    if oks:
        made = _ended("completed" if max(oks)[1] else "failed", max(ends), since)
    elif ends:
        made = _ended("unknown", max(ends), since)
    elif next_at is not None:
        made = _ended("failed", next_at, since)
    elif _dead(beat, since, now):
        made = _ended("failed", beat, since)
    else:
        made = _going("running" if marks else "pending", beat, since, now)
    return {"attempt_id": number, "started_at": started, **made}


def _begun(marks: list[tuple[str, int, bool | None]]) -> int:
    starts = [at for name, at, _ in marks if name == "attempt"]
    return min(starts) if starts else max(at for _, at, _ in marks)


def _ended(status: str, at: int | None, since: int) -> Record:
    return {"status": status, "finished_at": at, "duration": None if at is None else max(0, at - since)}


def _going(status: str, beat: int | None, since: int, now: int) -> Record:
    return {"status": status, "finished_at": None, "duration": max(0, (now if beat is None else beat) - since)}


def _dead(beat: int | None, since: int, now: int) -> bool:
    return abs(now - since) > OLD_MS if beat is None else abs(now - beat) > CUTOFF_MS


def _truth(value: str) -> bool | None:
    return {"true": True, "1": True, "false": False, "0": False}.get(value.strip('" ').lower())


def _number(text: str) -> int | None:
    return int(text) if 0 < len(text) <= 5 and all(letter in "0123456789" for letter in text) else None


def _tagged(mark: Record) -> int | None:
    for tag in mark.get("tags", []):
        number = _number(tag[len("attempt_id:") :]) if tag.startswith("attempt_id:") else None
        if number is not None:
            return number
    return None


def _same_task(row: Record, task: Record) -> bool:
    names: tuple[Any, ...] = ("flow_id", "run_number", "step_name", "task_id")
    return all(row[name] == task[name] for name in names)
