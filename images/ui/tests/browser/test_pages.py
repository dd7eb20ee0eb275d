"""The main path of each page, as somebody goes it with mouse and keys."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from metadata_testbed.waiting import eventually
from playwright.sync_api import Page, expect

from .conftest import WIDE, Open, Site, entry

pytestmark = [pytest.mark.server, pytest.mark.slow, pytest.mark.usefixtures("site")]


def name_of(run: dict[str, object]) -> str:
    return str(run["run_id"] or run["run_number"])


def path_of(run: dict[str, object]) -> str:
    return f"/flows/{run['flow_id']}/runs/{name_of(run)}"


def query(page: Page) -> dict[str, list[str]]:
    return parse_qs(urlsplit(page.url).query)


def test_runs_are_filtered_and_the_address_is_the_view(open_page: Open, site: Site) -> None:
    page = open_page("/")
    rows = page.get_by_role("grid", name="Runs").locator(".table-row[aria-rowindex]")
    expect(rows.first).to_be_visible()
    page.get_by_role("radio", name="Failed").locator("..").click()
    expect(rows.first).to_contain_text("failed")
    expect(rows.filter(has_text="completed")).to_have_count(0)
    filters = page.get_by_role("search", name="Filters")
    filters.get_by_role("button", name="Flow", exact=True).click()
    page.get_by_label("Find flow").fill("Nightly")
    page.get_by_role("option", name="NightlyFeaturesFlow").click()
    page.keyboard.press("Escape")
    expect(rows.filter(has_text="ChurnTrainingFlow")).to_have_count(0)
    assert query(page) == {"status": ["failed"], "flow": ["NightlyFeaturesFlow"]}
    page.reload()
    expect(page.get_by_role("button", name="Flow: NightlyFeaturesFlow")).to_be_visible()
    page.get_by_role("button", name="Clear").click()
    expect(rows.filter(has_text="completed").first).to_be_visible()
    entry(page, "Run id").fill(name_of(site.rows[0]))
    expect(rows).to_have_count(1)


def test_runs_are_sorted_grouped_and_their_columns_remembered(open_page: Open) -> None:
    page = open_page("/?flow=ChurnTrainingFlow,ReviewRoutingFlow")
    grid = page.get_by_role("grid", name="Runs")
    grid.get_by_role("button", name="Duration").click()
    expect(grid.get_by_role("columnheader", name="Duration")).to_have_attribute("aria-sort", "descending")
    assert query(page)["order"] == ["-duration"]
    entry(page, "Group").click()
    page.get_by_role("option", name="By flow").click()
    expect(grid.locator(".table-group")).to_have_text(["ChurnTrainingFlow", "ReviewRoutingFlow"])
    page.get_by_role("button", name="Columns").click()
    page.get_by_role("menuitemcheckbox", name="Branch").click()
    expect(grid.get_by_role("columnheader", name="Branch")).to_be_visible()
    page.reload()
    expect(grid.get_by_role("columnheader", name="Branch")).to_be_visible()


def test_a_run_is_opened_by_keys_and_the_way_back_leads_to_the_same_view(open_page: Open, site: Site) -> None:
    page = open_page("/?flow=ReviewRoutingFlow&order=%2Bts_epoch")
    grid = page.get_by_role("grid", name="Runs")
    expect(grid.locator(".table-row[aria-rowindex]").first).to_be_visible()
    grid.focus()
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    first = next(row for row in site.rows if row["flow_id"] == "ReviewRoutingFlow")
    expect(page.get_by_role("heading", level=1)).to_contain_text(name_of(first))
    page.go_back()
    expect(page.get_by_role("button", name="Flow: ReviewRoutingFlow")).to_be_visible()
    assert query(page)["order"] == ["+ts_epoch"]


def test_a_failure_is_found_in_two_clicks(open_page: Open) -> None:
    page = open_page("/?status=failed")
    page.get_by_role("grid", name="Runs").locator(".table-row[aria-rowindex] .mono a").first.click()
    page.get_by_role("region", name="What failed").get_by_role("link").click()
    expect(page.get_by_role("region", name="What failed").locator(".failure-words")).to_have_text(
        re.compile(r"^\w[\w.]*(Error|Timeout)")
    )
    expect(page.get_by_role("log")).to_contain_text("Traceback (most recent call last):")


def test_the_timeline_of_a_wide_run(open_page: Open, site: Site) -> None:
    page = open_page(path_of(site.rows[-1]))
    foot = page.get_by_test_id("timeline").locator(".table-foot")
    expect(foot).to_contain_text("6 rows")

    def look() -> str | None:
        # What is drawn follows what the page says in a later frame.
        colours = page.locator("canvas").last.evaluate(
            "c => new Set(new Uint32Array(c.getContext('2d').getImageData(0, 0, c.width, c.height).data.buffer)).size"
        )
        return None if colours > 5 else f"{colours} colours are painted"

    eventually(look, within=45)
    page.get_by_label("Find tasks").fill("items=14")
    expect(foot).to_contain_text("12 rows")
    assert query(page)["q"] == ["items=14"]
    page.get_by_label("Find tasks").fill("")
    expect(foot).to_contain_text("6 rows")
    page.get_by_role("button", name="Closer").click()
    expect(page).to_have_url(re.compile("from=.*to="))
    page.get_by_role("button", name="All", exact=True).click()
    expect(page).not_to_have_url(re.compile("from="))
    page.get_by_role("application").focus()
    for key in ("ArrowDown", "ArrowDown", "ArrowDown", "Enter"):
        page.keyboard.press(key)
    expect(foot).to_contain_text(f"{6 + WIDE} rows")


def test_tasks_the_graph_cards_and_data_of_a_run(open_page: Open, site: Site) -> None:
    run = site.rows[-1]
    page = open_page(path_of(run))
    tabs = page.get_by_role("navigation", name="Views of the run")
    tabs.get_by_role("link", name="Tasks").click()
    grid = page.get_by_role("grid", name="Tasks")
    expect(page.locator(".table-foot")).to_contain_text(f"{WIDE + 5} tasks")
    grid.get_by_role("button", name="Duration").click()
    grid.get_by_role("button", name="Duration").click()
    expect(grid.get_by_role("columnheader", name="Duration")).to_have_attribute("aria-sort", "ascending")
    tabs.get_by_role("link", name="Graph").click()
    node = page.get_by_role("button", name="Step forecast").or_(page.get_by_label("Step forecast")).first
    expect(node).to_contain_text(f"{WIDE}/{WIDE}")
    expect(tabs.get_by_role("link", name="Graph")).to_have_attribute("aria-current", "page")
    tabs.get_by_role("link", name="Cards").click()
    frame = page.locator("iframe").first
    expect(frame).to_have_attribute("sandbox", "allow-scripts")
    expect(page.frame_locator("iframe").first.get_by_role("heading")).to_contain_text("DemandForecastFlow")
    tabs.get_by_role("link", name="Data").click()
    page.get_by_label("Find artifacts").fill("settings")
    artifacts = page.get_by_role("grid", name="Artifacts").locator(".table-row[aria-rowindex]")
    expect(artifacts.first).to_contain_text("settings")
    artifacts.first.click()
    expect(page.get_by_role("dialog")).to_contain_text('"seed": 7')
    expect(page.get_by_role("dialog")).to_contain_text(f'Task("DemandForecastFlow/{name_of(run)}/')


def test_the_switch_shows_the_arm_that_was_chosen(open_page: Open, site: Site) -> None:
    run = site.run(flow_id="ReviewRoutingFlow")
    page = open_page(path_of(run) + "?tab=graph")
    expect(page.locator(".graph-step", has_text="not begun").first).to_be_visible()
    expect(page.locator(".react-flow__edge.not-taken").first).to_be_attached()
    expect(page.get_by_text("unsure")).to_be_visible()


def test_a_task_its_log_and_all_else(open_page: Open, site: Site) -> None:
    page = open_page(path_of(site.rows[-1]) + "/steps/report/tasks/t-report")
    log = page.get_by_role("log")
    expect(log).to_contain_text("INFO report: batch 7 of")
    expect(log.locator(".ansi-green").first).to_have_text("INFO")
    page.get_by_label("Search the whole log").fill("BATCH 5 OF")
    found = page.get_by_role("region", name="Lines found").get_by_role("button", name="batch 5 of")
    found.click()
    expect(page).to_have_url(re.compile(r"line=\d+"))
    expect(log.locator("[data-pointed]")).to_contain_text("batch 5 of")
    page.reload()
    expect(page.get_by_role("log").locator("[data-pointed]")).to_contain_text("batch 5 of")
    with page.expect_download() as download:
        page.get_by_role("link", name="kB").or_(page.get_by_role("link", name=re.compile(r"\d B"))).click()
    assert "report: batch 7 of" in download.value.path().read_text()
    tabs = page.get_by_role("navigation", name="Views of the task")
    tabs.get_by_role("link", name="Artifacts").click()
    page.get_by_role("button", name="accuracy").click()
    expect(page.get_by_role("dialog")).to_contain_text("0.")
    page.keyboard.press("Escape")
    tabs.get_by_role("link", name="Cards").click()
    expect(page.frame_locator("iframe").get_by_role("heading")).to_contain_text("report")
    tabs.get_by_role("link", name="Metadata").click()
    expect(page.get_by_role("cell", name="attempt_ok")).to_be_visible()


def test_runs_are_compared(open_page: Open) -> None:
    page = open_page("/?flow=ChurnTrainingFlow&status=completed")
    boxes = page.get_by_role("grid", name="Runs").get_by_role("checkbox")
    boxes.nth(0).click()
    boxes.nth(1).click()
    page.get_by_role("button", name="Compare").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Compare 2 runs")
    expect(page.get_by_role("rowheader", name="learning_rate")).to_be_visible()
    expect(page.get_by_role("rowheader", name="accuracy")).to_be_visible()
    expect(page.locator("iframe")).to_have_count(4)
    page.get_by_label("Only what differs").click()
    expect(page.get_by_role("rowheader", name="Status")).to_have_count(0)


def test_the_home_of_a_flow(open_page: Open, site: Site) -> None:
    page = open_page("/flows")
    newest = max((row for row in site.rows if row["flow_id"] == "DemandForecastFlow"), key=lambda row: row["ts_epoch"])
    row = page.get_by_role("grid", name="Flows").get_by_role("row").filter(has_text="DemandForecastFlow")
    expect(row).to_contain_text(name_of(newest))
    page.get_by_role("link", name="ChurnTrainingFlow").click()
    expect(page.get_by_text(re.compile(r"^\d+ %$"))).to_be_visible()
    expect(page.get_by_role("button", name=re.compile("^Run .*, completed")).first).to_be_visible()
    page.get_by_role("link", name="All runs").click()
    expect(page.get_by_role("button", name="Flow: ChurnTrainingFlow")).to_be_visible()


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/nowhere", "There is no such page"),
        ("/flows/NoFlow", "Either there is no flow NoFlow"),
        ("/?run=no-such-run", "No run passes these filters"),
        ("/compare", "Nothing to compare"),
    ],
)
def test_what_is_not_there_is_said(open_page: Open, path: str, words: str) -> None:
    expect(open_page(path).get_by_text(words)).to_be_visible()


def test_an_address_with_anything_in_it(open_page: Open, site: Site) -> None:
    page = open_page("/?tag=" + quote('"><img src=x onerror=alert(1)>') + "&order=;drop&within=x&from=y")
    expect(page.get_by_text("No run passes these filters")).to_be_visible()
    assert query(page).keys() <= {"tag", "order", "within", "from"}


def test_the_code_of_a_run_and_what_differs_from_another(open_page: Open, site: Site) -> None:
    run = site.rows[-1]
    other = next(row for row in site.rows[-20:] if row["flow_id"] == run["flow_id"])
    page = open_page(path_of(run))
    page.get_by_role("navigation", name="Views of the run").get_by_role("link", name="Code").click()
    shown = page.get_by_role("region", name="File demandforecastflow.py")
    expect(shown).to_contain_text("class DemandForecastFlow(FlowSpec):")
    files = page.get_by_role("navigation", name="Files")
    expect(files.get_by_role("link")).to_have_text(["demandforecastflow.py", "requirements.txt"])
    files.get_by_role("switch").locator("..").click()
    expect(files.get_by_role("link", name="metaflow/version.py")).to_be_visible()
    files.get_by_role("link", name="requirements.txt").click()
    expect(page.get_by_role("region", name="File requirements.txt")).to_contain_text("scikit-learn==1.7.2")
    named = f"{other['flow_id']}/{name_of(other)}"
    entry(page, "Compare with").fill(named)
    entry(page, "Compare with").press("Enter")
    differences = page.get_by_role("region", name="Differences")
    number = [int(str(one["run_number"])) // 5 for one in (run, other)]
    expect(differences).to_contain_text(f"-VERSION = {number[0]}")
    expect(differences).to_contain_text(f"+VERSION = {number[1]}")
    assert query(page)["with"] == [named]


def test_runs_are_found_by_a_parameter(open_page: Open) -> None:
    page = open_page("/?flow=ChurnTrainingFlow")
    rows = page.get_by_role("grid", name="Runs").locator(".table-row[aria-rowindex]")
    expect(rows.first).to_be_visible()
    everything = rows.count()
    page.get_by_role("search", name="Filters").get_by_role("button", name="Parameter").click()
    entry(page, "Parameter").fill("market")
    entry(page, "Value").fill("us")
    page.get_by_role("button", name="Filter", exact=True).click()
    expect(page.get_by_role("button", name="market=us", exact=True)).to_be_visible()
    expect(rows).not_to_have_count(everything)
    assert query(page)["parameter"] == ["market=us"]
    rows.locator(".mono a").first.click()
    expect(page.get_by_role("group", name="About the run")).to_contain_text("market")
    expect(page.get_by_role("group", name="About the run")).to_contain_text("us")


def test_a_run_says_what_began_it_and_which_run_of_kubeflow_it_is(open_page: Open, site: Site) -> None:
    run = next(row for row in reversed(site.rows) if row["flow_id"] == "ChurnTrainingFlow" and row["run_id"])
    page = open_page(path_of(run))
    about = page.get_by_role("group", name="About the run")
    expect(about.get_by_text("accounts.loaded", exact=False).first).to_be_visible()
    page.get_by_role("button", name="Use it").click()
    dialog = page.get_by_role("dialog", name="This run in your code")
    expect(dialog).to_contain_text(f'Run("ChurnTrainingFlow/{name_of(run)}")')
    expect(dialog).to_contain_text(re.compile(rf"Kubeflow Pipelines, as the run\s*{name_of(run).removeprefix('kfp-')}"))
