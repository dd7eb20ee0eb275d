"""Writers go on while the service and PostgreSQL are killed. What was acknowledged is there, and only once."""

from __future__ import annotations

import itertools
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from metadata_testbed.api import Api
from metadata_testbed.postgres import PostgresServer
from metadata_testbed.service import Service, free_port
from metadata_testbed.waiting import eventually

pytestmark = pytest.mark.server

WRITERS = 8
ARTIFACTS = 3

StartService = Callable[..., Service]


@dataclass
class Writer:
    """Records tasks as a client does: each request is sent until it is answered, and then never again."""

    name: str
    step: str
    http: httpx.Client
    stop: threading.Event
    recorded: list[str] = field(default_factory=list)
    unanswered: Counter[str] = field(default_factory=Counter)
    """Tries without an answer, by the request's path."""

    def write(self) -> None:
        for number in itertools.count():
            if self.stop.is_set():
                return
            task = f"{self.name}-{number}"
            path = f"{self.step}/tasks/{task}"
            self._send("POST", self.step + "/task", {"task_id": task})
            names = [f"a{each}" for each in range(ARTIFACTS)]
            self._send("POST", path + "/artifact", [{"name": name, "sha": task} for name in names])
            self._send("POST", path + "/metadata", [{"field_name": "x", "value": task}])
            if number % 5 == 0:
                self._send("PATCH", self.step.split("/steps/")[0] + "/tag/mutate", {"tags_to_add": [task]})
            self.recorded.append(task)

    def _send(self, method: str, path: str, body: object) -> None:
        def attempt() -> str | None:
            try:
                answer = self.http.request(method, path, json=body)
            except httpx.TransportError as error:
                wrong = str(error)
            else:
                # A task that is there already was recorded by a try whose answer was lost.
                if answer.status_code == 200 or (answer.status_code == 409 and path.endswith("/task")):
                    return None
                wrong = answer.text
                assert answer.status_code == 503, wrong
            self.unanswered[path] += 1
            return wrong

        eventually(attempt, within=120)


@contextmanager
def writing(api: Api) -> Iterator[list[Writer]]:
    """Writers at work until the end of the block; then each ends with a task that is whole."""
    step = api.new_step(api.new_run())
    stop = threading.Event()
    with httpx.Client(base_url=api.http.base_url, timeout=30) as http, ThreadPoolExecutor(WRITERS) as pool:
        writers = [Writer(f"w{number}", step, http, stop) for number in range(WRITERS)]
        ended = [pool.submit(writer.write) for writer in writers]
        try:
            yield writers
        finally:
            stop.set()
    for each in ended:
        each.result()


def wait_for_writes(writers: list[Writer], count: int) -> None:
    """Return when each writer has recorded so many tasks more."""
    wanted = {writer.name: len(writer.recorded) + count for writer in writers}

    def look() -> str | None:
        late = [writer.name for writer in writers if len(writer.recorded) < wanted[writer.name]]
        return f"{', '.join(late)} got no further" if late else None

    eventually(look, within=120)


def check_nothing_is_lost(api: Api, writers: list[Writer]) -> None:
    step = writers[0].step
    run = step.split("/steps/")[0]
    recorded = sorted(task for writer in writers for task in writer.recorded)
    assert sorted(task["task_id"] for task in api.get(step + "/tasks")) == recorded
    artifacts = Counter((each["task_id"], each["name"], each["sha"]) for each in api.get(step + "/artifacts"))
    assert artifacts == Counter((task, f"a{each}", task) for task in recorded for each in range(ARTIFACTS))
    metadata = Counter((each["task_id"], each["value"]) for each in api.get(run + "/metadata"))
    assert set(metadata) == {(task, task) for task in recorded}
    unanswered = sum((writer.unanswered for writer in writers), Counter[str]())
    for (task, _), rows in metadata.items():
        assert rows <= 1 + unanswered[f"{step}/tasks/{task}/metadata"], task
    tagged = [task for task in recorded if int(task.partition("-")[2]) % 5 == 0]
    assert sorted(api.get(run)["tags"]) == sorted(tagged)


@pytest.mark.parametrize(("kills", "writes"), [(2, 10), pytest.param(5, 50, marks=pytest.mark.long)])
def test_on_postgres(
    own_postgres: PostgresServer,
    start_service: StartService,
    open_api: Callable[[Service], Api],
    kills: int,
    writes: int,
) -> None:
    port = free_port()
    service = start_service(own_postgres.dsn(), port)
    service.wait_until()
    api = open_api(service)
    with writing(api) as writers:
        for _ in range(kills):
            wait_for_writes(writers, writes)
            service.kill()
            service = start_service(own_postgres.dsn(), port)
        wait_for_writes(writers, writes)
        own_postgres.kill()
        own_postgres.start()
        wait_for_writes(writers, writes)
    check_nothing_is_lost(api, writers)


@pytest.mark.parametrize(("kills", "writes"), [(2, 10), pytest.param(5, 50, marks=pytest.mark.long)])
def test_on_sqlite(
    tmp_path: Path, start_service: StartService, open_api: Callable[[Service], Api], kills: int, writes: int
) -> None:
    port, file = free_port(), tmp_path / "metadata.db"
    service = start_service(file, port)
    service.wait_until()
    api = open_api(service)
    with writing(api) as writers:
        for _ in range(kills):
            wait_for_writes(writers, writes)
            service.kill()
            service = start_service(file, port)
        wait_for_writes(writers, writes)
    check_nothing_is_lost(api, writers)
