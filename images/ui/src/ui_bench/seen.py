"""What is measured in a browser: a run's first picture, zooming, a change as it is seen, the size of the scripts."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, ViewportSize, sync_playwright

from ui_bench.backend import WAIT, Backend
from ui_bench.data import FLOW, Data
from ui_bench.report import Report, quantile

SIZE: ViewportSize = {"width": 1440, "height": 900}
# Told by the page's own clock, which begins with the navigation.
_PAINTED = """
const look = () => {
  const canvas = document.querySelector('[data-testid="timeline"] canvas');
  if (canvas && canvas.width > 0 && canvas.height > 0) {
    const drawn = canvas.getContext("2d").getImageData(0, 0, canvas.width, Math.min(canvas.height, 200)).data;
    if (drawn.some((value) => value !== 0)) { window.paintedAt = performance.now(); return; }
  }
  requestAnimationFrame(look);
};
requestAnimationFrame(look);
"""
_ZOOM = """
(milliseconds) => new Promise((done) => {
  const at = document.querySelector('[data-testid="timeline"] .table-scroll');
  const { left, top, width } = at.getBoundingClientRect();
  const took = [];
  let before = 0, first = 0;
  const frame = (now) => {
    if (before) took.push(now - before);
    first ||= now;
    before = now;
    if (now - first > milliseconds) return done(took);
    at.dispatchEvent(new WheelEvent("wheel", {
      deltaY: -80 * Math.cos((now - first) / 500), ctrlKey: true, clientX: left + width / 2, clientY: top + 90,
      bubbles: true, cancelable: true,
    }));
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
})
"""
_SCRIPTS = """
() => performance.getEntriesByType("resource").filter((entry) => new URL(entry.name).pathname.endsWith(".js"))
  .reduce((size, entry) => size + entry.encodedBodySize, 0)
"""


@contextmanager
def chromium() -> Iterator[Browser]:
    """Debian's Chromium. Raises FileNotFoundError where it is not on PATH."""
    program = shutil.which("chromium")
    if program is None:
        raise FileNotFoundError("chromium: not on PATH. Run `make programs`, which installs Debian's.")
    with sync_playwright() as playwright:
        # Its own sandbox needs rights that a container's root does not have.
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


def pages(backend: Backend, data: Data, report: Report, times: int) -> None:
    """All that a browser sees; the first wide run is zoomed, the last one painted."""
    with chromium() as browser:
        _scripts(browser, backend, report)
        if data.wide:
            _first_paint(browser, backend, report, data.wide[-1], times)
            _zooming(browser, backend, report, data.wide[0])
        _change(browser, backend, data, report, times)


def _scripts(browser: Browser, backend: Backend, report: Report) -> None:
    page = browser.new_page(viewport=SIZE)
    page.goto(backend.url, wait_until="networkidle", timeout=WAIT * 1000)
    report.line("scripts at first load, compressed", page.evaluate(_SCRIPTS) / 1024, 350, "KB")
    page.close()


def _first_paint(browser: Browser, backend: Backend, report: Report, run: int, times: int) -> None:
    found = []
    for _ in range(times):
        context = browser.new_context(viewport=SIZE)
        page = context.new_page()
        page.add_init_script(_PAINTED)
        page.goto(f"{backend.url}/flows/{FLOW}/runs/{run}", timeout=WAIT * 1000)
        page.wait_for_function("() => window.paintedAt !== undefined", timeout=WAIT * 1000)
        found.append(float(page.evaluate("() => window.paintedAt")))
        context.close()
    report.times(f"first picture of run {run}", found, 1000, "an empty cache each time")


def _zooming(browser: Browser, backend: Backend, report: Report, run: int) -> None:
    page = browser.new_page(viewport=SIZE)
    page.add_init_script(_PAINTED)
    page.goto(f"{backend.url}/flows/{FLOW}/runs/{run}?flat=1", timeout=WAIT * 1000)
    page.wait_for_function("() => window.paintedAt !== undefined", timeout=WAIT * 1000)
    took = [float(each) for each in page.evaluate(_ZOOM, 5000)]
    rate = 1000 * len(took) / sum(took)
    slow = f"p50 {quantile(took, 0.5):.0f} ms a frame, p95 {quantile(took, 0.95):.0f} ms"
    report.line(f"frames a second while run {run} is zoomed", rate, 30, "", slow, least=True)
    page.close()


def _change(browser: Browser, backend: Backend, data: Data, report: Report, times: int) -> None:
    """From the moment at which a new run is committed until it stands in the list."""
    page = browser.new_page(viewport=SIZE)
    page.goto(backend.url, wait_until="networkidle", timeout=WAIT * 1000)
    found = []
    for _ in range(times):
        number = data.begin_run()
        began = time.perf_counter()
        page.wait_for_function(
            "(number) => document.body.innerText.includes(number)", arg=str(number), polling="raf", timeout=WAIT * 1000
        )
        found.append(1000 * (time.perf_counter() - began))
    report.times("a change is seen in the page", found, 1000)
    page.close()
