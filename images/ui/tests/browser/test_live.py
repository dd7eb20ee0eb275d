"""A run from its start to its end, seen without a reload; and what somebody may have recorded to harm who looks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from playwright.sync_api import expect

from .conftest import Open, Site
from .recording import end, graph, new_run, new_task

pytestmark = [pytest.mark.server, pytest.mark.slow]

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


def test_what_the_document_was_told_is_not_asked_twice(open_page: Open, site: Site) -> None:
    run = new_run(site, "OnceFlow", 90_007)
    start = new_task(site, run, "start", 960_001)
    page = open_page("/flows/OnceFlow/runs/90007")
    cursor = page.locator('meta[name="cursor"]')
    for _ in range(3):
        # A database that is slow to answer is not waited for, and then the page rightly looks at everything anew.
        if not cursor.get_attribute("content"):
            page.reload()
    expect(page.locator(".connection")).to_have_text("Live")
    end(site, start, ok=True)
    expect(page.get_by_role("group", name="About the run")).to_contain_text("1 of 1")
    # Only a page that looks at everything anew asks for its session again.
    asked = page.evaluate("() => performance.getEntriesByType('resource').map((one) => new URL(one.name).pathname)")
    assert asked.count("/api/session") == 1


def test_a_loop_is_drawn_and_counted_while_it_goes_round(open_page: Open, site: Site) -> None:
    run = new_run(site, "LoopFlow", 90_005)
    turns = {"name": "draw", "type": "split-switch", "next": ["draw", "end"], "decorators": [], "doc": "", "line": 9}
    turns |= {"condition": "again", "switch_cases": {"yes": "draw", "no": "end"}}
    start = {"name": "start", "type": "start", "next": ["draw"], "decorators": [], "doc": "", "line": 5}
    last = {"name": "end", "type": "end", "next": [], "decorators": [], "doc": "", "line": 14}
    graph(site, run, {"start": start, "draw": turns, "end": last})
    for step, number in (("start", 940_001), ("draw", 940_002)):
        end(site, new_task(site, run, step, number), ok=True)
    page = open_page("/flows/LoopFlow/runs/90005?tab=graph")
    expect(page.get_by_text("↺ yes")).to_be_visible()
    expect(page.locator(".react-flow__edge.taken")).to_have_count(1)
    end(site, new_task(site, run, "draw", 940_003), ok=True)
    expect(page.get_by_label("Step draw")).to_contain_text("2/2")
    expect(page.locator(".react-flow__edge.taken")).to_have_count(2)


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


def test_a_datastore_that_hangs_is_said_on_the_page(open_page: Open, stuck: Site) -> None:
    run = new_run(stuck, "StuckFlow", 90_006)
    end(stuck, new_task(stuck, run, "start", 950_001), ok=True)
    page = open_page("/flows/StuckFlow/runs/90006/steps/start/tasks/950001", noisy=True)
    expect(page.get_by_role("heading", level=1)).to_contain_text("start")
    expect(page.get_by_text("has not answered in 3 s (MF_UI_DATASTORE_TIMEOUT)").first).to_be_visible()


def test_a_card_reaches_nothing_outside_its_frame(open_page: Open, site: Site) -> None:
    run = new_run(site, "CardFlow", 90_003)
    end(site, new_task(site, run, "start", 920_001), ok=True)
    folder = f"{site.root}/mf.cards/CardFlow/runs/90003/steps/start/tasks/920001/cards"
    _write_card(folder)
    page = open_page("/flows/CardFlow/runs/90003/steps/start/tasks/920001?tab=cards", noisy=True)
    said = page.frame_locator("iframe").locator("#said")
    expect(said).to_have_text("parent:refused api:refused store:refused top:refused image:refused done")
    assert page.url.endswith("?tab=cards")


def _write_card(folder: str) -> None:
    place = Path(folder)
    place.mkdir(parents=True)
    (place / "default-0123456789abcdef0123.html").write_text(_CARD)


_CARD = """<p id=said></p><script>
const said = [];
const attempt = async (name, act) => {
  try { await act(); said.push(name + ":done") } catch { said.push(name + ":refused") }
};
const image = (url) => new Promise((yes, no) => {
  const made = new Image(); made.onload = yes; made.onerror = no; made.src = url
});
(async () => {
  await attempt("parent", () => parent.document.title);
  await attempt("api", () => fetch(location.origin + "/api/runs"));
  await attempt("store", () => localStorage.length);
  await attempt("top", () => { top.location.href = "https://evil.example/" });
  await attempt("image", () => image("https://evil.example/x.png"));
  document.getElementById("said").textContent = said.join(" ") + " done";
})()
</script>"""


def test_a_card_changes_while_its_task_runs(open_page: Open, site: Site) -> None:
    run = new_run(site, "RealtimeFlow", 90_004)
    task = new_task(site, run, "start", 930_001)
    folder = Path(f"{site.root}/mf.cards/RealtimeFlow/runs/90004/steps/start/tasks/930001")
    for name in ("cards", "runtime"):
        (folder / name).mkdir(parents=True)

    def draw(token: str, title: str) -> None:
        page = _CHANGING.replace("TOKEN", token).replace("TITLE", title)
        (folder / "cards" / "default-0123456789abcdef0123.html").write_text(page)

    def say(token: str, value: int) -> None:
        told = {"reload_token": token, "data": {"done": value}, "created_on": 0}
        (folder / "runtime" / "default-0123456789abcdef0123.data.json").write_text(json.dumps(told))

    draw("one", "first")
    say("one", 10)
    page = open_page("/flows/RealtimeFlow/runs/90004/steps/start/tasks/930001?tab=cards")
    card = page.frame_locator("iframe")
    expect(card.locator("p")).to_have_text('{"done":10}')
    say("one", 20)
    expect(card.locator("p")).to_have_text('{"done":20}')
    expect(card.locator("h1")).to_have_text("first")
    draw("two", "second")
    say("two", 30)
    expect(card.locator("h1")).to_have_text("second")
    expect(card.locator("p")).to_have_text('{"done":30}')
    draw("final", "last")
    end(site, task, ok=True)
    expect(card.locator("h1")).to_have_text("last")


_CHANGING = """<h1>TITLE</h1><p></p><script>var METAFLOW_RELOAD_TOKEN = "TOKEN";
window.metaflow_card_update = (data) => { document.querySelector("p").textContent = JSON.stringify(data) };
</script>"""
