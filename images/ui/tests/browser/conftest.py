"""Debian's Chromium before a UI with made-up runs, on each store."""

from __future__ import annotations

import itertools
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from metadata_testbed.postgres import PostgresServer
from metadata_testbed.service import environment, free_port, run_command
from metadata_testbed.waiting import eventually
from playwright.sync_api import Browser, BrowserContext, Locator, Page, Request, expect
from ui_bench import seen
from ui_demo.runs import Making, Wanted
from ui_demo.stored import Stored
from ui_demo.tables import Record, Rows, advance, write

from image_builder import pages

# Other work may hold the processor: what is there in the end is what counts.
expect.set_options(timeout=45_000)

WIDE = 150
ADMIN = "an-admin-token-of-the-settings"

# What is asked is proved on both stores without a browser.
STORES = ["postgres", pytest.param("sqlite", marks=pytest.mark.long)]

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def built() -> Path:
    """The folder of the built pages."""
    caches = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return pages.build(Path(os.environ.get("CACHE") or Path(caches) / "tributary"), print)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    with seen.chromium() as browser:
        yield browser


@dataclass
class Site:
    """A UI that runs, and what lies under it."""

    url: str
    target: str | Path
    root: str
    rows: list[Record]
    """Of the runs, oldest first."""
    begun: set[tuple[object, ...]] = field(default_factory=set)
    """Steps that tests have recorded."""
    kind: str = "local"
    """Of the datastore that tasks are recorded with."""

    def write(self, rows: Rows) -> None:
        write(self.target, rows)

    def run(self, **fields: object) -> Record:
        """The newest run with these fields."""
        return next(row for row in reversed(self.rows) if all(row[name] == value for name, value in fields.items()))


def new_target(store: str, request: pytest.FixtureRequest, folder: Path) -> str | Path:
    """An empty database with today's tables."""
    target: str | Path = folder / "metadata.db"
    if store == "postgres":
        postgres: PostgresServer = request.getfixturevalue("postgres")
        target = postgres.create_database(f"browser{next(_numbers)}")
    done = run_command("migrate", **settings_of(target))
    assert done.returncode == 0, done.stderr
    return target


def settings_of(target: str | Path) -> dict[str, str]:
    return {"MF_METADATA_DB_FILE" if isinstance(target, Path) else "MF_METADATA_DB_DSN": str(target)}


@pytest.fixture(scope="session", params=STORES)
def site(request: pytest.FixtureRequest, built: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Forty runs, and one of Kubeflow's with a foreach of `WIDE` tasks. Those that run do so for minutes from now."""
    folder = tmp_path_factory.mktemp("site")
    target, stored = new_target(request.param, request, folder), Stored(folder)
    runs: list[Record] = []
    for rows in Making(Wanted(40, (WIDE,), 20, 41), time.time_ns() // 1_000_000, stored, seed=2).batches():
        write(target, rows)
        runs += rows.tables["runs_v3"]
    advance(target)
    with _served(target, folder, built) as url:
        yield Site(url, target, stored.address, runs)


@pytest.fixture(scope="session", params=STORES)
def closed(request: pytest.FixtureRequest, built: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A UI that asks for tokens, on an empty database. `ADMIN` may do everything."""
    folder = tmp_path_factory.mktemp("closed")
    target = new_target(request.param, request, folder)
    with _served(target, folder, built, MF_METADATA_AUTH="tokens", MF_METADATA_ADMIN_TOKEN=ADMIN) as url:
        yield Site(url, target, str(folder / ".metaflow"), [])


@pytest.fixture(scope="session")
def stuck(built: Path, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A UI whose datastore takes every connection and never says anything, on an empty database."""
    folder = tmp_path_factory.mktemp("stuck")
    target, root = new_target("sqlite", request, folder), "s3://bucket/metaflow"
    with socket.create_server(("127.0.0.1", 0), backlog=128) as server:
        further = {
            "METAFLOW_DATASTORE_SYSROOT_S3": root,
            "METAFLOW_S3_ENDPOINT_URL": f"http://127.0.0.1:{server.getsockname()[1]}",
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "MF_UI_DATASTORE_TIMEOUT": "3",
        }
        with _served(target, folder, built, **further) as url:
            yield Site(url, target, root, [], kind="s3")


@contextmanager
def _served(target: str | Path, folder: Path, built: Path, **further: str) -> Iterator[str]:
    """The UI's process on a database and a datastore; gives its address."""
    port = free_port()
    settings = {
        **settings_of(target),
        "MF_UI_METADATA_HOST": "127.0.0.1",
        "MF_UI_METADATA_PORT": str(port),
        "MF_UI_PAGES": str(built),
        "METAFLOW_DATASTORE_SYSROOT_LOCAL": str(folder),
        # The runs that are made up to run send no heartbeats; a slow machine must not let them die.
        "RUN_INACTIVE_CUTOFF_TIME": "86400",
        **further,
    }
    with (folder / "log").open("wb") as log:
        argv = [sys.executable, "-m", "ui_backend", "serve"]
        process = subprocess.Popen(argv, env=environment(**settings), stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}"
    try:
        eventually(lambda: _answers(process, url, folder / "log"), within=600)
        yield url
    finally:
        process.terminate()
        process.wait(60)


def _answers(process: subprocess.Popen[bytes], url: str, log: Path) -> str | None:
    assert process.poll() is None, log.read_text()
    try:
        answer = httpx.get(f"{url}/api/readyz", timeout=30)
    except httpx.TransportError as error:
        return str(error)
    return None if answer.status_code == 200 else answer.text


Open = Callable[..., Page]


def entry(within: Page | Locator, label: str) -> Locator:
    """The input with this label, and not the list that hangs below it."""
    page = within.page if isinstance(within, Locator) else within
    return within.get_by_label(label, exact=True).and_(page.locator("input"))


@pytest.fixture
def open_page(chromium: Browser, request: pytest.FixtureRequest) -> Iterator[Open]:
    """Opens an address of the test's site. At the end no page may have complained, or asked any other host."""
    name = next((one for one in ("closed", "stuck") if one in request.fixturenames), "site")
    site: Site = request.getfixturevalue(name)
    complaints: list[str] = []
    contexts: list[BrowserContext] = []

    def look_at(asked: Request) -> None:
        # What a policy forbids is told of too, as asked for, and is not sent.
        if asked.failure != "csp" and not asked.url.startswith((site.url, "data:", "blob:")):
            complaints.append(f"asks {asked.url}")

    def open_(path: str, *, width: int = 1280, dark: bool = False, script: str = "", noisy: bool = False) -> Page:
        """A noisy page may complain in its console: what it shows tries what it must not."""
        context = chromium.new_context(
            viewport={"width": width, "height": 800}, color_scheme="dark" if dark else "light", locale="en-GB"
        )
        context.set_default_timeout(45_000)
        contexts.append(context)
        if script:
            context.add_init_script(script)
        page = context.new_page()
        if not noisy:
            page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("requestfinished", look_at)
        page.on("requestfailed", look_at)
        page.goto(site.url + path)
        return page

    yield open_
    for context in contexts:
        context.close()
    assert complaints == []
