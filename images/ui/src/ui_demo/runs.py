"""Made-up runs: their rows, and for the newest of them their files. The same seed makes the same runs."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ui_demo.shapes import SHAPES, Shape, Step
from ui_demo.sources import package
from ui_demo.stored import Stored
from ui_demo.tables import Record, Rows

_DAY = 86_400_000
_MINUTE = 60_000
_BATCH = 20_000
_USERS = ("ann", "bo", "chidi", "dilnoza", "eva", "farid")
_TAGS = ("baseline", "candidate", "ablation", "quarterly", "do-not-delete", "gpu", "réessai")
_NOISE = "\x1b[32mINFO\x1b[0m"
_FREE = ("flow_id", "run_number", "run_id", "user_name")


@dataclass(frozen=True)
class Wanted:
    """How many runs there are to be."""

    runs: int = 300
    wide: tuple[int, ...] = ()
    """Besides, runs with so many tasks in their foreach."""
    days: int = 60
    stored: int = 60
    """So many of the newest runs have logs, cards and artifacts in the datastore."""


@dataclass
class Making:
    """Makes the runs that are wanted, oldest first, ending at `now` in milliseconds."""

    wanted: Wanted
    now: int
    stored: Stored
    seed: int = 1
    _pick: random.Random = field(init=False)
    _rows: Rows = field(init=False, default_factory=Rows)
    _tasks: Iterator[int] = field(init=False, default_factory=lambda: itertools.count(1))

    def __post_init__(self) -> None:
        self._pick = random.Random(self.seed)

    def batches(self) -> Iterator[Rows]:
        """All rows, in pieces of a size that fits into memory."""
        oldest = self.now - self.wanted.days * _DAY
        for shape in SHAPES:
            self._rows.add("flows_v3", {"flow_id": shape.name, "user_name": "ann", "ts_epoch": oldest})
        total = self.wanted.runs + len(self.wanted.wide)
        moments = sorted(self._pick.randrange(oldest, self.now - 40 * _MINUTE) for _ in range(self.wanted.runs))
        for number, begun in enumerate(moments, 1):
            running = number > self.wanted.runs - 2
            shape = self._pick.choices(SHAPES, (5, 3, 4, 2))[0]
            self._run(number, shape, self.now - 4 * _MINUTE if running else begun, total, running=running)
            if len(self._rows) > _BATCH:
                yield self._taken()
        for number, width in enumerate(self.wanted.wide, self.wanted.runs + 1):
            self._run(number, SHAPES[1], self.now - 35 * _MINUTE, total, width=width)
            yield self._taken()
        yield self._taken()

    def _taken(self) -> Rows:
        rows, self._rows = self._rows, Rows()
        return rows

    def _run(self, number: int, shape: Shape, begun: int, total: int, *, running: bool = False, width: int = 0) -> None:
        pick = self._pick
        user, from_kubeflow = pick.choice(_USERS), pick.random() < 0.5
        run: Record = {
            "flow_id": shape.name,
            "run_number": number,
            "run_id": f"kfp-{pick.getrandbits(128):032x}" if from_kubeflow else None,
            "user_name": user,
            "ts_epoch": begun,
            "tags": pick.sample(_TAGS, pick.choice((0, 0, 1, 1, 2, 3))),
            "system_tags": self._system_tags(shape, user, from_kubeflow),
        }
        files = self.stored if number > total - self.wanted.stored else None
        one = _Run(run, shape, pick, self._tasks, self._rows, files, self.stored.address, self.now)
        one.make(width, running=running)

    def _system_tags(self, shape: Shape, user: str, from_kubeflow: bool) -> list[str]:
        branch = self._pick.choice(("prod", f"user.{user}", "test.sampling"))
        tags = [f"user:{user}", f"project:{shape.project}", f"project_branch:{branch}"]
        tags += ["metaflow_version:2.19.22", "python_version:3.11.9"]
        return [*tags, "runtime:kubeflow-pipelines" if from_kubeflow else "runtime:dev"]


@dataclass
class _Run:
    """One run while it is made."""

    row: Record
    shape: Shape
    pick: random.Random
    tasks: Iterator[int]
    rows: Rows
    files: Stored | None
    root: str
    now: int

    def make(self, width: int, *, running: bool) -> None:
        pick, shape = self.pick, self.shape
        steps = shape.begun_steps(pick.randrange(2))
        failing: tuple[str, str] | None = None
        if not running and not width and pick.random() < 0.14:
            failing = pick.choice([one for one in shape.failures if one[0] in {step.name for step in steps}])
        at = self.row["ts_epoch"]
        self._parameters(at)
        stop = pick.choice([step.name for step in steps if step.many] or [steps[1].name]) if running else None
        speed = (60 / width if width else 1) * pick.lognormvariate(0, 0.25)
        for step in steps:
            many = (width or max(2, round(shape.width * pick.uniform(0.6, 1.4)))) if step.many else 1
            at = self._step(step, at, many, speed, failing, running=step.name == stop)
            if step.name == stop or (failing and failing[0] == step.name):
                break
        heartbeat = self.now if running else min(at + 5000, self.now)
        self.rows.add("runs_v3", {**self.row, "last_heartbeat_ts": heartbeat // 1000})

    def _parameters(self, at: int) -> None:
        step = self._begun("_parameters", at)
        task = {**step, "task_id": next(self.tasks), "ts_epoch": at}
        task["task_name"] = "t-_parameters" if self.row["run_id"] else None
        self.rows.add("tasks_v3", task)
        chosen = {name: self.pick.choice(values) for name, values in self.shape.parameters}
        self._marks(task, at, 0, at + 200, ok=True)
        if self.files:
            self._artifacts(task, {**chosen, "_graph_info": self.shape.graph()}, at)
            stored = self.files.package(self.shape.name, package(self.shape, self.row["run_number"]))
            self._mark(task, "code-package", json.dumps(stored), at, 0)

    def _step(
        self, step: Step, at: int, many: int, speed: float, failing: tuple[str, str] | None, *, running: bool
    ) -> int:
        """Begin the step's tasks, some side by side; gives when the last of them has ended."""
        row, pick = self._begun(step.name, at), self.pick
        lanes = [at + 300 + lane * 150 for lane in range(min(many, 64))]
        broken = pick.randrange(many) if failing and failing[0] == step.name else -1
        alive = many // 3 + 1 if running else 0
        ended = at
        for index in range(many):
            lane = min(range(len(lanes)), key=lanes.__getitem__)
            begun = lanes[lane]
            task: Record = {**row, "task_id": next(self.tasks), "ts_epoch": begun}
            place = f"-{index}" if many > 1 else ""
            task["task_name"] = f"t-{step.name}{place}" if self.row["run_id"] else None
            seconds = step.seconds * speed * pick.lognormvariate(0, 0.35)
            end = begun + max(int(seconds * 1000), 50)
            exception = failing[1] if failing and index == broken else None
            if running and index >= many - alive:
                lanes[lane] = self._alive(task, step, index, many)
            else:
                lanes[lane] = self._ended(task, step, index, many, begun, end, exception)
            ended = max(ended, lanes[lane])
        return ended

    def _begun(self, step: str, at: int) -> Record:
        row = {name: self.row[name] for name in _FREE} | {"step_name": step}
        self.rows.add("steps_v3", {**row, "ts_epoch": at})
        return row

    def _alive(self, task: Record, step: Step, index: int, many: int) -> int:
        begun = self.now - self.pick.randrange(10_000, 3 * _MINUTE)
        self.rows.add("tasks_v3", {**task, "ts_epoch": begun, "last_heartbeat_ts": self.now // 1000})
        self._marks(task, begun, 0, None, ok=None)
        self._place(task, index, many, begun)
        if self.files:
            self._logs(task, step, 0, begun, None)
        return self.now

    def _ended(
        self, task: Record, step: Step, index: int, many: int, begun: int, end: int, exception: str | None
    ) -> int:
        attempt = 0
        if step.many and (exception or self.pick.random() < 0.04):
            # It was tried before.
            cause = exception or "ConnectionResetError: [Errno 104] Connection reset by peer"
            self._marks(task, begun, 0, end, ok=False)
            if self.files:
                self._logs(task, step, 0, begun, cause)
            begun, end, attempt = end + 2000, 2 * end - begun + 2000, 1
        self.rows.add("tasks_v3", {**task, "last_heartbeat_ts": min(end, self.now) // 1000})
        self._marks(task, begun, attempt, end, ok=exception is None)
        self._place(task, index, many, begun)
        if step.type == "start" and self.row["run_id"] and self.shape.name == "ChurnTrainingFlow":
            event = {"timestamp": begun // 1000, "id": str(task["task_id"]), "name": "accounts.loaded", "type": "event"}
            self._mark(task, "execution-triggers", json.dumps([event]), begun, attempt)
        if self.files:
            self._logs(task, step, attempt, begun, exception)
            if exception is None:
                self._results(task, step, attempt, end)
        return end

    def _place(self, task: Record, index: int, many: int, at: int) -> None:
        if many > 1:
            self._mark(task, "foreach-stack", json.dumps([f"items={index}"])[2:-2], at, 0)

    def _marks(self, task: Record, begun: int, attempt: int, end: int | None, *, ok: bool | None) -> None:
        self._mark(task, "attempt", str(attempt), begun, attempt)
        if attempt == 0:
            self._mark(task, "ds-type", "local", begun, attempt)
            self._mark(task, "ds-root", self.root, begun, attempt)
        if self.row["run_id"]:
            self._mark(task, "kubeflow-pipelines-run-id", self.row["run_id"].removeprefix("kfp-"), begun, attempt)
            pod = f"{self.shape.name.lower()}-{self.row['run_number']}-{task['task_id']}"
            self._mark(task, "kubernetes-pod-name", pod, begun, attempt)
        if end is not None:
            self._mark(task, "attempt_ok", str(ok), end, attempt)
            self._mark(task, "attempt-done", str(attempt), end, attempt)

    def _mark(self, task: Record, name: str, value: str, at: int, attempt: int) -> None:
        mark = {"field_name": name, "value": value, "type": name, "ts_epoch": at, "tags": [f"attempt_id:{attempt}"]}
        self.rows.add("metadata_v3", {**task, **mark})

    def _artifacts(self, task: Record, values: dict[str, Any], at: int, attempt: int = 0) -> None:
        assert self.files
        for name, value in values.items():
            sha, kind = self.files.artifact(self.shape.name, value)
            place = {"location": f":root:{self.root}", "ds_type": "local", "sha": sha, "type": kind}
            row = {**task, **place, "name": name, "content_type": "gzip+pickle-v4", "attempt_id": attempt}
            self.rows.add("artifact_v3", {**row, "ts_epoch": at})

    def _results(self, task: Record, step: Step, attempt: int, end: int) -> None:
        assert self.files
        pick = self.pick
        values = {"accuracy": round(pick.uniform(0.71, 0.97), 2), "rows": pick.randrange(10) * 1000, "name": step.name}
        self._artifacts(task, {**values, "settings": {"seed": 7, "layers": [64, 32]}}, end, attempt)
        if step.name in ("select", "collect", "report", "join", "answer"):
            names = (self.row["run_id"] or str(self.row["run_number"]), step.name, task["task_name"] or task["task_id"])
            self.files.card(
                self.shape.name, names[0], names[1], str(names[2]), f"{self.shape.name}: {step.name}", values
            )

    def _logs(self, task: Record, step: Step, attempt: int, begun: int, exception: str | None) -> None:
        assert self.files
        run = self.row["run_id"] or self.row["run_number"]
        folder = f"{self.shape.name}/{run}/{step.name}/{task['task_name'] or task['task_id']}"
        count = self.pick.choice((8, 30, 200))
        lines = [
            f"{_NOISE} {step.name}: batch {number} of {count}, loss {1 / (number + 1):.4f}" for number in range(count)
        ]
        self.files.log(folder, attempt, "stdout", begun, lines)
        errors = ["\x1b[33mWARNING\x1b[0m 3 columns are constant and were left out"]
        if exception:
            file = f"{self.shape.name.lower()}.py"
            errors += ["Traceback (most recent call last):"]
            errors += [f'  File "{file}", line 48, in {step.name}', "    self.model = fit(self.frame, self.target)"]
            errors += [f'  File "{file}", line 131, in fit', "    return engine.run(frame)", *exception.split("\n")]
        self.files.log(folder, attempt, "stderr", begun, errors)
