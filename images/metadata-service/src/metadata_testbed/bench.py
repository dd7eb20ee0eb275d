"""How fast the service is, against the bare driver and its own /ping on the same machine in the same run.

    python -m metadata_testbed.bench [--seconds 5] [--runs 1000000]

Prints one line for each goal: what was measured, the ratio, the goal. Only ratios mean something on another machine.
PostgreSQL runs with fsync and synchronous_commit on, SQLite with synchronous=FULL; eight clients, each a process.
"""

from __future__ import annotations

import argparse
import http.client
import json
import multiprocessing
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import psycopg

from metadata_testbed.api import Api
from metadata_testbed.postgres import PostgresServer
from metadata_testbed.service import Service

CLIENTS = 8
ARTIFACTS = 20
LISTED = 24_000

_COLUMNS = "flow_id, run_number, step_name, task_id, name, location, ds_type, sha, attempt_id, ts_epoch"
_INSERT = (
    f"INSERT INTO artifact_v3 ({_COLUMNS}) SELECT %(flow)s, %(run)s, %(step)s, %(task)s, d.name, d.location, 's3',"
    " d.sha, %(attempt)s, 1"
    " FROM unnest(%(names)s::text[], %(locations)s::text[], %(shas)s::text[]) AS d (name, location, sha)"
    " ON CONFLICT DO NOTHING"
)

Work = Callable[[int], Callable[[int], None]]
"""Given a client's number, prepares it; gives what it does each time, given the number of the time."""


@dataclass(frozen=True)
class Measured:
    """What all clients together did."""

    rate: float
    p50: float
    p99: float

    def __str__(self) -> str:
        return f"{self.rate:,.0f}/s, p50 {self.p50 * 1000:.1f} ms, p99 {self.p99 * 1000:.1f} ms"


def measure(work: Work, seconds: float, clients: int = CLIENTS) -> Measured:
    """Let the clients work for a while, each in a process of its own."""
    context = multiprocessing.get_context("fork")
    answers: Any = context.Queue()
    processes = [context.Process(target=_client, args=(work, number, seconds, answers)) for number in range(clients)]
    for process in processes:
        process.start()
    times = sorted(each for _ in processes for each in answers.get())
    for process in processes:
        process.join()
    return Measured(len(times) / seconds, times[len(times) // 2], times[len(times) * 99 // 100])


def _client(work: Work, number: int, seconds: float, answers: Any) -> None:
    once = work(number)
    times: list[float] = []
    last = time.perf_counter() + seconds
    while (started := time.perf_counter()) < last:
        once(len(times))
        times.append(time.perf_counter() - started)
    answers.put(times)


def requests(
    service: Service, method: str, path: Callable[[int, int], str], body: Callable[[int, int], object]
) -> Work:
    """Requests on one connection; path and body from the numbers of client and time. Raises on any status but 200."""

    def prepare(client: int) -> Callable[[int], None]:
        connection = http.client.HTTPConnection("127.0.0.1", service.port)
        connection.connect()
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

        def once(number: int) -> None:
            content = json.dumps(body(client, number)).encode() if method == "POST" else None
            connection.request(method, str(path(client, number)), content)
            answer = connection.getresponse()
            text = answer.read()
            if answer.status != 200:
                raise RuntimeError(f"{answer.status}: {text[:200]!r}")

        return once

    return prepare


def inserts(dsn: str, run: int, tasks: list[int]) -> Work:
    """The same rows by the bare driver."""

    def prepare(client: int) -> Callable[[int], None]:
        connection = psycopg.connect(dsn, autocommit=True)

        def once(number: int) -> None:
            names = [f"bare{number}-{each}" for each in range(ARTIFACTS)]
            connection.execute(
                _INSERT,
                {
                    "flow": "Bench",
                    "run": run,
                    "step": "start",
                    "task": tasks[client],
                    "attempt": 1,
                    "names": names,
                    "locations": [":root:s3://bucket/metaflow"] * ARTIFACTS,
                    "shas": ["0" * 40] * ARTIFACTS,
                },
            )

        return once

    return prepare


class Report:
    """Prints what was found, and whether all goals were met."""

    def __init__(self) -> None:
        self.met = True

    def line(self, what: str, found: str, value: float, goal: float, *, least: bool, unit: str = "") -> None:
        met = value >= goal if least else value <= goal
        self.met = self.met and met
        sign = "at least" if least else "at most"
        print(
            f"{'ok  ' if met else 'MISS'} {what}: {value:,.2f}{unit}, goal {sign} {goal:g}{unit} ({found})", flush=True
        )


def _artifacts(client: int, number: int) -> list[dict[str, object]]:
    return [
        {"name": f"a{number}-{each}", "location": ":root:s3://bucket/metaflow", "ds_type": "s3", "sha": "0" * 40}
        for each in range(ARTIFACTS)
    ]


def on_postgres(report: Report, seconds: float, runs: int, folder: Path) -> None:
    server = PostgresServer(durable=True)
    server.start()
    try:
        dsn = server.create_database("bench")
        service = Service(folder / "postgres.log", dsn)
        service.wait_until()
        api = Api(service.url)
        api.post("/flows/Bench")
        run = api.new_run("/flows/Bench")
        step = api.new_step(run)
        paths = [api.new_task(step) for _ in range(CLIENTS)]
        _small_requests(report, service, dsn, run, paths, seconds)
        _large_list(report, service, api, dsn)
        _slow_body(report, service, paths[0], seconds)
        _many_runs(report, service, server, runs, seconds)
        report.line("memory", "after all this", service.resident_kib() / 1024, 100, least=False, unit=" MiB")
        service.end()
    finally:
        server.remove()


def _small_requests(report: Report, service: Service, dsn: str, run: str, paths: list[str], seconds: float) -> None:
    number = int(run.rpartition("/")[2])
    tasks = [int(path.rpartition("/")[2]) for path in paths]
    bare = measure(inserts(dsn, number, tasks), seconds)
    posted = measure(requests(service, "POST", lambda client, _: paths[client] + "/artifact", _artifacts), seconds)
    report.line(f"POST of {ARTIFACTS} artifacts", f"{posted}; bare {bare}", posted.rate / bare.rate, 0.6, least=True)
    report.line("POST of artifacts a second", "upstream 44 on a like machine", posted.rate, 220, least=True)
    report.line("its p99 by p50", str(posted), posted.p99 / posted.p50, 5, least=False)
    step = run + "/steps/start"
    made = measure(requests(service, "POST", lambda *_: step + "/task", lambda *_: {}), seconds)
    report.line("POST of a task a second", f"{made}; upstream 141", made.rate, 705, least=True)
    ping = measure(requests(service, "GET", lambda *_: "/ping", lambda *_: None), seconds)
    got = measure(requests(service, "GET", lambda *_: run, lambda *_: None), seconds)
    report.line("GET of a run by /ping", f"{got}; /ping {ping}", got.rate / ping.rate, 0.5, least=True)
    report.line("its p99 by p50", str(got), got.p99 / got.p50, 5, least=False)


def _large_list(report: Report, service: Service, api: Api, dsn: str) -> None:
    run = api.new_run("/flows/Bench")
    step = api.new_step(run)
    for _ in range(LISTED // 2000):
        task = api.new_task(step)
        for start in range(0, 2000, 500):
            body = [{"name": f"a{start + each}", "location": "s3://x" * 5, "sha": "0" * 40} for each in range(500)]
            api.post(task + "/artifact", body)
    number = int(run.rpartition("/")[2])
    where = "flow_id = 'Bench' AND run_number = %s"
    query = f"SELECT {_COLUMNS}, user_name, type, content_type FROM artifact_v3 WHERE {where}"

    def bare() -> None:
        with psycopg.connect(dsn) as connection:
            cursor = connection.execute(query, [number])
            names = [column.name for column in cursor.description or ()]
            msgspec.json.encode([dict(zip(names, row, strict=True)) for row in cursor.fetchall()])

    ask = requests(service, "GET", lambda *_: run + "/artifacts", lambda *_: None)(0)

    most = service.most_resident_kib()
    best = {name: min(_seconds(call) for _ in range(5)) for name, call in (("bare", bare), ("listed", lambda: ask(0)))}
    found = f"{best['listed']:.2f} s; bare {best['bare']:.2f} s"
    report.line(f"list of {LISTED:,} artifacts", found, best["bare"] / best["listed"], 0.6, least=True)
    grown = (service.most_resident_kib() - most) / 1024
    report.line("memory that the list takes", "the most at any time", grown, 8, least=False, unit=" MiB")


def _seconds(call: Callable[[], None]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def _slow_body(report: Report, service: Service, task: str, seconds: float) -> None:
    """What others see while large bodies arrive and are read."""
    body = json.dumps([{"field_name": "x", "value": "x" * 1_000_000}]).encode()
    done = threading.Event()

    def send() -> None:
        while not done.is_set():
            connection = http.client.HTTPConnection("127.0.0.1", service.port)
            connection.request("POST", task + "/metadata", body)
            connection.getresponse().read()
            connection.close()

    sender = threading.Thread(target=send)
    sender.start()
    ping = measure(requests(service, "GET", lambda *_: "/ping", lambda *_: None), seconds, clients=1)
    done.set()
    sender.join()
    report.line("p99 of /ping beside bodies of 1 MB", str(ping), ping.p99 * 1000, 50, least=False, unit=" ms")


def _many_runs(report: Report, service: Service, server: PostgresServer, runs: int, seconds: float) -> None:
    page = requests(service, "GET", lambda *_: "/flows/Many/runs?_limit=50", lambda *_: None)
    found = {}
    for count in (1000, runs):
        server.execute(
            "INSERT INTO flows_v3 (flow_id, ts_epoch, tags, system_tags) VALUES ('Many', 1, '[]', '[]')"
            " ON CONFLICT DO NOTHING",
            database="bench",
        )
        server.execute(
            "INSERT INTO runs_v3 (flow_id, run_number, ts_epoch, tags, system_tags)"
            """ SELECT 'Many', 1000000 + i, i, '["a"]', '["b"]' FROM generate_series(1, %(count)s) AS i"""
            " ON CONFLICT DO NOTHING",
            {"count": count},
            database="bench",
        )
        server.execute("ANALYZE runs_v3", database="bench")
        found[count] = measure(page, seconds, clients=1).p50
    text = ", ".join(f"{count:,} runs {value * 1000:.2f} ms" for count, value in found.items())
    report.line("a page of runs by that of 1,000", text, found[runs] / found[1000], 2, least=False)


def on_sqlite(report: Report, seconds: float, folder: Path) -> None:
    service = Service(folder / "sqlite.log", folder / "bench.db")
    service.wait_until()
    step = Api(service.url).new_step()
    made = measure(requests(service, "POST", lambda *_: step + "/task", lambda *_: {}), seconds)
    report.line("SQLite: POST of a task a second", str(made), made.rate, 500, least=True)
    service.end()


def main() -> int:
    """Measure; gives 1 when a goal was missed."""
    parser = argparse.ArgumentParser(description="Measure the metadata service against the bare driver.")
    parser.add_argument("--seconds", type=float, default=5, help="how long each thing is done; 5")
    parser.add_argument("--runs", type=int, default=1_000_000, help="runs of the largest flow; 1000000")
    options = parser.parse_args()
    report = Report()
    with tempfile.TemporaryDirectory() as folder:
        on_postgres(report, options.seconds, options.runs, Path(folder))
        on_sqlite(report, options.seconds, Path(folder))
    return 0 if report.met else 1


if __name__ == "__main__":
    sys.exit(main())
