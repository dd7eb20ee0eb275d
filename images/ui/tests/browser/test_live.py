"""A run from its start to its end, seen without a reload; and what somebody may have recorded to harm who looks."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from .conftest import Open, Site
from .recording import end, new_run, new_task

pytestmark = [pytest.mark.long, pytest.mark.server, pytest.mark.slow, pytest.mark.usefixtures("site")]

_HOSTILE = ["<img src=x onerror=alert(1)>", "\u202egnp.exe", "'; DROP TABLE runs_v3; --", "x" * 10_000, "{{7*7}}"]


def test_a_run_is_seen_from_start_to_end(open_page: Open, site: Site) -> None:
    page = open_page("/?flow=LiveFlow")
    expect(page.get_by_text("No run passes these filters")).to_be_visible()
    run = new_run(site, "LiveFlow", 90_001)
    grid = page.get_by_role("grid", name="Runs")
    row = grid.locator(".table-row[aria-rowindex]")
    expect(row).to_contain_text("running")
    row.locator(".mono a").click()
    expect(page.get_by_text("No task has begun")).to_be_visible()
    start = new_task(site, run, "start", 900_001)
    foot = page.get_by_test_id("timeline").locator(".table-foot")
    expect(foot).to_contain_text("1 rows")
    end(site, start, ok=True)
    last = new_task(site, run, "end", 900_002)
    expect(foot).to_contain_text("2 rows")
    head = page.locator(".page-head").first
    expect(head).to_contain_text("running")
    end(site, last, ok=True)
    expect(head).to_contain_text("completed")
    expect(page.get_by_role("group", name="About the run")).to_contain_text("2 of 2")


def test_what_was_recorded_is_text_and_nothing_else(open_page: Open, site: Site) -> None:
    run = new_run(site, "HostileFlow", 90_002, tags=_HOSTILE, system_tags=["user:ann", f"project:{_HOSTILE[0]}"])
    for number, value in enumerate(_HOSTILE):
        end(site, new_task(site, run, "start", 910_000 + number, value), ok=False)
    new_task(site, run, "end", 910_100)
    page = open_page("/?flow=HostileFlow")
    page.on("dialog", lambda dialog: pytest.fail(f"a dialog says {dialog.message}"))
    page.get_by_role("grid", name="Runs").locator(".table-row[aria-rowindex] .mono a").click()
    expect(page.get_by_role("group", name="About the run")).to_contain_text(_HOSTILE[0])
    page.get_by_role("navigation", name="Views of the run").get_by_role("link", name="Tasks").click()
    expect(page.get_by_role("grid", name="Tasks")).to_contain_text(_HOSTILE[2])
    assert page.locator("img[src='x']").count() == 0
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 1280
    page.goto(f"{site.url}/flows/HostileFlow/runs/90002/steps/start/tasks/910003?tab=metadata")
    expect(page.get_by_role("region", name="Metadata")).to_contain_text("x" * 100)
