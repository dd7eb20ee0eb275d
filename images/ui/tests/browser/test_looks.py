"""What holds for every page: no serious finding of axe in either colours, no sideways scrolling on a telephone, and
the same pages below a proxy's path.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from .conftest import Open, Site
from .test_pages import path_of

pytestmark = [pytest.mark.server, pytest.mark.slow, pytest.mark.usefixtures("site")]

_AXE = Path(__file__).parents[2] / "web" / "node_modules" / "axe-core" / "axe.min.js"
_FINDINGS = """async () => (await axe.run(document, {iframes: false})).violations
    .filter(one => ['serious', 'critical'].includes(one.impact))
    .map(one => `${one.id}: ${one.nodes.map(node => node.html.slice(0, 150)).slice(0, 3).join(' | ')}`)"""


def addresses(site: Site) -> list[str]:
    run, failed = path_of(site.rows[-1]), path_of(site.run(flow_id="ChurnTrainingFlow"))
    compared = ",".join(path_of(row).removeprefix("/flows/").replace("/runs/", "/") for row in site.rows[-3:])
    of_the_run = [f"{run}?tab={tab}" for tab in ("timeline", "graph", "tasks", "cards", "data", "code")]
    of_the_task = [f"{run}/steps/report/tasks/t-report?tab={tab}" for tab in ("logs", "artifacts", "cards", "metadata")]
    flows = ["/flows", "/flows/ChurnTrainingFlow"]
    others = ["/", "/?group=flow", "/?run=none", "/admin", f"/compare?runs={compared}"]
    return [*others, failed, *of_the_run, *of_the_task, *flows]


def settle(page: Page) -> None:
    """Wait until what was asked for is shown."""
    expect(page.get_by_role("main")).to_be_visible()
    expect(page.get_by_label("Loading", exact=True)).to_have_count(0)


@pytest.mark.parametrize("dark", [False, pytest.param(True, marks=pytest.mark.long)], ids=["light", "dark"])
def test_axe_finds_nothing_serious(open_page: Open, site: Site, dark: bool) -> None:
    page = open_page("/", dark=dark, script=_AXE.read_text())
    found = {}
    for address in addresses(site):
        page.goto(site.url + address)
        settle(page)
        if findings := page.evaluate(_FINDINGS):
            found[address] = findings
    assert found == {}


def test_nothing_is_wider_than_a_telephone(open_page: Open, site: Site) -> None:
    page = open_page("/", width=400)
    wide = {}
    for address in addresses(site):
        page.goto(site.url + address)
        settle(page)
        width = page.evaluate("() => document.documentElement.scrollWidth")
        if width > 400:
            wide[address] = width
    assert wide == {}


def test_the_colours_that_are_chosen_stay(open_page: Open) -> None:
    page = open_page("/")
    page.get_by_role("button", name="Dark colours").click()
    root = page.locator("html")
    expect(root).to_have_attribute("data-mantine-color-scheme", "dark")
    page.reload()
    expect(root).to_have_attribute("data-mantine-color-scheme", "dark")


def test_times_are_local_and_on_hover_in_utc(chromium: Browser, site: Site) -> None:
    context = chromium.new_context(timezone_id="Asia/Tokyo")
    page = context.new_page()
    page.goto(site.url + path_of(site.rows[0]))
    shown = page.get_by_role("group", name="About the run").locator("time").first
    utc, local = shown.get_attribute("datetime"), shown.inner_text()
    assert utc is not None
    hour = (int(utc[11:13]) + 9) % 24
    assert f"{hour:02}:{utc[14:16]}" in local
    shown.hover()
    expect(page.get_by_role("tooltip")).to_contain_text(f"{utc[:10]} {utc[11:19]} UTC")
    context.close()


def test_below_a_path_of_a_proxy(chromium: Browser, site: Site) -> None:
    """A proxy that strips its path and says so, as Kubeflow's dashboard has one."""
    context = chromium.new_context()
    page = context.new_page()
    strangers: list[str] = []

    def proxy(route: Route) -> None:
        path = route.request.url.removeprefix(site.url)
        if not path.startswith("/tool/"):
            strangers.append(path)
            route.abort()
            return
        headers = {**route.request.headers, "x-forwarded-prefix": "/tool"}
        route.fulfill(response=route.fetch(url=site.url + path.removeprefix("/tool"), headers=headers))

    page.route("**/*", proxy)
    page.goto(f"{site.url}/tool{path_of(site.rows[-1])}?tab=tasks&q=report")
    page.get_by_role("grid", name="Tasks").get_by_role("link", name="report").first.click()
    expect(page.get_by_role("log")).to_contain_text("report: batch")
    page.get_by_role("link", name="Runs", exact=True).first.click()
    expect(page.get_by_role("grid", name="Runs")).to_be_visible()
    assert page.url.startswith(f"{site.url}/tool/")
    assert strangers == []
    # What the page still asks for when it is left is nobody's.
    page.unroute_all(behavior="ignoreErrors")
    context.close()
