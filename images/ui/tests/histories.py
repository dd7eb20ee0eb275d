"""Histories that a fleet of flaky workers with bad clocks could leave behind."""

from __future__ import annotations

import itertools
import random

from ui_demo.tables import Record, Rows

_SECOND = 1000
_HOUR = 3_600_000


class Histories:
    """Makes random runs around the time `now`, none of whose ages lies near a cutoff."""

    def __init__(self, seed: int, now: int) -> None:
        self.rows = Rows()
        self._random = random.Random(seed)
        self._now = now
        self._runs = itertools.count(1)
        self._tasks = itertools.count(1)
        self._flows: set[str] = set()

    def run(self) -> Record:
        """One more run with its steps, tasks and marks; gives its row."""
        pick = self._random
        flow = pick.choice(["TrainFlow", "ScoreFlow", "Ähre_流"])
        begun = self._now - pick.choice(
            [pick.randrange(20 * _HOUR), 30 * _HOUR + pick.randrange(99 * _HOUR), -5 * _HOUR]
        )
        if flow not in self._flows:
            self._flows.add(flow)
            self.rows.add("flows_v3", {"flow_id": flow, "user_name": "ann", "ts_epoch": begun})
        number = next(self._runs)
        user = pick.choice(["ann", "bob", None])
        run = {
            "flow_id": flow,
            "run_number": number,
            "run_id": pick.choice([None, f"kfp-{number}"]),
            "user_name": user,
            "ts_epoch": begun,
            "last_heartbeat_ts": self._heartbeat(begun),
            "tags": pick.sample(["a", "b", "with space", "<b>"], pick.randrange(4)),
            "system_tags": pick.choice([[f"user:{user}", "project:p"], ["runtime:dev"]]),
        }
        self.rows.add("runs_v3", run)
        for name in pick.choice([("start", "end"), ("start", "wide", "end"), ("start",), ()]):
            self._step(run, name, begun)
        return run

    def _step(self, run: Record, name: str, begun: int) -> None:
        pick = self._random
        step = {key: run[key] for key in ("flow_id", "run_number", "run_id", "user_name")}
        step |= {"step_name": name, "ts_epoch": begun + pick.randrange(-5 * _SECOND, 60 * _SECOND)}
        self.rows.add("steps_v3", step)
        for _ in range(pick.randrange(6) if name == "wide" else pick.choice([1, 1, 1, 0, 2])):
            number = next(self._tasks)
            at = begun + pick.randrange(_HOUR)
            task = {
                **step,
                "task_id": number,
                "task_name": pick.choice([None, f"t-{number}"]),
                "ts_epoch": at,
                "last_heartbeat_ts": self._heartbeat(at),
            }
            self.rows.add("tasks_v3", task)
            for attempt in range(pick.choice([0, 1, 1, 1, 2, 3])):
                self._attempt(task, attempt, at)
                at += pick.randrange(-10 * _SECOND, _HOUR)

    def _attempt(self, task: Record, attempt: int, at: int) -> None:
        pick = self._random
        if pick.random() < 0.9:
            self._mark(task, "attempt", pick.choice([str(attempt)] * 6 + [f'"{attempt}"', "x", ""]), at)
        if pick.random() < 0.1:
            self._mark(task, "attempt", str(attempt), at + pick.randrange(9 * _SECOND))
        end = at + pick.randrange(-_SECOND, _HOUR)
        if pick.random() < 0.6:
            tags = pick.choice([[f"attempt_id:{attempt}"]] * 6 + [[], ["attempt_id:x", f"attempt_id:{attempt}"]])
            for _ in range(pick.choice([1, 1, 1, 2])):
                self._mark(
                    task, "attempt_ok", pick.choice(["True", "False", "true", '"False"', "1", "0", "?"]), end, tags
                )
        if pick.random() < 0.5:
            self._mark(task, "attempt-done", pick.choice([str(attempt)] * 6 + ["9" * 30, "-1"]), end + 7)
        if pick.random() < 0.4:
            self.rows.add(
                "artifact_v3",
                self._of(task)
                | {"name": "_task_ok", "location": "l", "ds_type": "local", "attempt_id": attempt}
                | {"ts_epoch": end + pick.randrange(-20, 20)},
            )

    def _mark(self, task: Record, name: str, value: str, at: int, tags: list[str] | None = None) -> None:
        mark = {"field_name": name, "value": value, "type": name, "ts_epoch": at, "tags": tags or []}
        self.rows.add("metadata_v3", self._of(task) | mark)

    def _heartbeat(self, begun: int) -> int | None:
        pick = self._random
        kind = pick.choice(["none", "alive", "dead", "ahead", "far ahead"])
        ages = {"alive": (0, 300), "dead": (420, 99_000), "ahead": (-300, 0), "far ahead": (-99_000, -420)}
        return None if kind == "none" else self._now // 1000 - pick.randrange(*ages[kind])

    @staticmethod
    def _of(task: Record) -> Record:
        return {key: task[key] for key in ("flow_id", "run_number", "run_id", "step_name", "task_id", "task_name")}
