"""Pictures of every page, taken from made-up runs.

python -m ui_bench.screenshots --pages FOLDER [--into images/ui/screenshots] [--all]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, expect

from ui_bench import data
from ui_bench.backend import WAIT, Backend
from ui_bench.seen import chromium

RUNS, WIDE = 240, 400


@dataclass(frozen=True)
class Picture:
    """A page as somebody sees it; `name` is the file's, without its ending."""

    name: str
    address: str
    dark: bool = False
    width: int = 1280
    height: int = 800


def main(words: Sequence[str] | None = None) -> int:
    """Take them; gives 0."""
    parser = argparse.ArgumentParser(prog="ui_bench.screenshots", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--pages", type=Path, required=True, help="folder of the built pages")
    parser.add_argument("--into", type=Path, default=Path("images/ui/screenshots"), help="folder of the pictures")
    parser.add_argument("--all", action="store_true", help="every page: light, dark, and on a telephone")
    given = parser.parse_args(words)
    given.into.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        made = data.make(folder / "metadata.db", folder, RUNS, (WIDE,), stored=RUNS + 1)
        own = {
            "MF_UI_PAGES": str(given.pages),
            "MF_UI_KUBEFLOW_URL": "https://kubeflow.example",
            # Those that are made up to run send no heartbeats.
            "RUN_INACTIVE_CUTOFF_TIME": "86400",
        }
        backend = Backend(folder / "ui.log", {**made.settings, **own})
        try:
            addresses = _addresses(backend, made)
            with chromium() as browser:
                for picture in _all(addresses) if given.all else _chosen(addresses):
                    _take(browser, backend.url, picture, given.into / f"{picture.name}.png")
                    print(picture.name, flush=True)
        finally:
            backend.http.close()
            backend.end()
    return 0


def _addresses(backend: Backend, made: data.Data) -> dict[str, str]:
    """Every page by its name."""
    wide = _path(_first(backend, run_number=str(made.wide[0])))
    churn = {"flow_id": "ChurnTrainingFlow"}
    failed = _path(_first(backend, **churn, status="failed"))
    task = _first(backend, f"{failed}/tasks", status="failed")
    log = f"{failed}/steps/{task['step_name']}/tasks/{task['task_name'] or task['task_id']}"
    ended = _path(_first(backend, **churn, status="completed"))
    report = _first(backend, f"{ended}/steps/report/tasks")
    reported = f"{ended}/steps/report/tasks/{report['task_name'] or report['task_id']}"
    compared = [_path(run) for run in _list(backend, **churn, status="completed", _limit="3")]
    switch = _path(_first(backend, flow_id="ReviewRoutingFlow", status="completed"))
    keys = ",".join(path.removeprefix("/flows/").replace("/runs/", "/") for path in compared)
    return {
        "runs": "/",
        "runs-grouped": "/?group=flow",
        "runs-none": "/?run=none",
        "run": wide,
        **{f"run-{tab}": f"{wide}?tab={tab}" for tab in ("graph", "tasks", "cards", "data", "code")},
        "run-failed": failed,
        "run-switch": f"{switch}?tab=graph",
        "task-failed": log,
        **{f"task-{tab}": f"{reported}?tab={tab}" for tab in ("logs", "artifacts", "cards", "metadata")},
        "compare": f"/compare?runs={keys}",
        "flows": "/flows",
        "flow": "/flows/ChurnTrainingFlow",
        "admin": "/admin",
        "nowhere": "/nowhere",
    }


def _list(backend: Backend, path: str = "/runs", **query: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = backend.get(path, {"_order": "-ts_epoch", **query})
    return found


def _first(backend: Backend, path: str = "/runs", **query: str) -> dict[str, Any]:
    return _list(backend, path, **query)[0]


def _path(run: dict[str, Any]) -> str:
    return f"/flows/{run['flow_id']}/runs/{run['run_id'] or run['run_number']}"


def _chosen(addresses: dict[str, str]) -> list[Picture]:
    """Those of the README."""
    light = ("runs", "run", "task-failed", "compare", "flow")
    return [
        *(Picture(name, addresses[name]) for name in light),
        Picture("run-switch", addresses["run-switch"], dark=True, height=700),
        Picture("runs-telephone", addresses["runs"], width=400),
    ]


def _all(addresses: dict[str, str]) -> list[Picture]:
    return [
        picture
        for name, address in addresses.items()
        for picture in (
            Picture(f"{name}-light", address),
            Picture(f"{name}-dark", address, dark=True),
            Picture(f"{name}-telephone", address, width=400),
        )
    ]


def _take(browser: Browser, url: str, picture: Picture, into: Path) -> None:
    context = browser.new_context(
        viewport={"width": picture.width, "height": picture.height},
        color_scheme="dark" if picture.dark else "light",
        locale="en-GB",
        reduced_motion="reduce",
    )
    page = context.new_page()
    page.goto(url + picture.address, timeout=WAIT * 1000)
    _settle(page)
    page.screenshot(path=into)
    context.close()


def _settle(page: Page) -> None:
    """Wait until what was asked for is shown."""
    expect(page.get_by_role("main")).to_be_visible(timeout=WAIT * 1000)
    expect(page.get_by_label("Loading", exact=True)).to_have_count(0, timeout=WAIT * 1000)
    page.wait_for_load_state("networkidle", timeout=WAIT * 1000)
    page.evaluate("() => document.fonts.ready.then(() => new Promise((drawn) => requestAnimationFrame(drawn)))")


if __name__ == "__main__":
    sys.exit(main())
