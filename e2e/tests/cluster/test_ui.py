"""The UI, as a browser on this machine sees it through the release's Service."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from playwright.sync_api import Error, Page, expect, sync_playwright

from cluster.settings import Settings
from installer import demo, tools
from laptop.eventually import eventually

pytestmark = pytest.mark.cluster
SLOWEST_MS = 120_000
KUBEFLOW_RUN = re.compile(r"#/runs/details/([0-9a-f-]{36})$")


@pytest.fixture(scope="module")
def ui(facts: dict[str, str]) -> str:
    """The UI's address, as the laptop's config has it."""
    return facts["METAFLOW_UI_URL"].rstrip("/")


@pytest.fixture(scope="module")
def page(settings: Settings) -> Iterator[Page]:
    """A page of Debian's Chromium, in which no error is overlooked."""
    with sync_playwright() as playwright:
        # Its own sandbox needs rights that a container's root does not have.
        browser = playwright.chromium.launch(executable_path=tools.chromium(settings), args=["--no-sandbox"])
        opened = browser.new_page()
        opened.set_default_timeout(SLOWEST_MS)
        errors: list[str] = []
        opened.on("pageerror", lambda error: errors.append(str(error)))
        yield opened
        browser.close()
        assert errors == []


def go(page: Page, address: str) -> None:
    """Open an address. Other tests end pods that the UI stands on, and while it is not ready its Service refuses."""

    def refused() -> str | None:
        try:
            page.goto(address)
        except Error as error:
            if "ERR_CONNECTION_REFUSED" not in error.message:
                raise
            return error.message
        return None

    eventually(refused, within=300)


def test_the_demo_s_run_is_opened_by_the_address_that_metaflow_prints(
    ui: str, demo_run: demo.DemoRun, page: Page
) -> None:
    go(page, f"{ui}/{demo.FLOW_NAME}/{demo_run.run_id}")
    expect(page).to_have_url(re.compile(rf"/flows/{demo.FLOW_NAME}/runs/{demo_run.run_id}"), timeout=SLOWEST_MS)
    expect(page.get_by_role("heading", level=1)).to_contain_text(demo_run.run_id, timeout=SLOWEST_MS)
    expect(page.get_by_text("completed").first).to_be_visible(timeout=SLOWEST_MS)


def test_its_link_leads_to_its_run_in_kubeflow(ui: str, demo_run: demo.DemoRun, page: Page, kubeflow: Any) -> None:
    go(page, f"{ui}/flows/{demo.FLOW_NAME}/runs/{demo_run.run_id}")
    expect(page.get_by_role("heading", level=1)).to_be_visible(timeout=SLOWEST_MS)
    link = page.locator('a[href*="#/runs/details/"]').first
    expect(link).to_be_visible(timeout=SLOWEST_MS)
    href = link.get_attribute("href") or ""
    linked = KUBEFLOW_RUN.search(href)
    assert linked, href
    assert demo_run.run_id == f"kfp-{linked[1]}"
    # Kubeflow's own page is there only where its UI is; its API knows the run in both worlds.
    assert kubeflow.get_run(linked[1]).run_id == linked[1]


def test_tasks_logs_and_artifacts_come_from_the_datastore(ui: str, demo_run: demo.DemoRun) -> None:
    """The very reading that the pages do, with the key that the release gives the UI."""
    here = f"{ui}/api/flows/{demo.FLOW_NAME}/runs/{demo_run.run_id}"
    with httpx.Client(timeout=60) as http:
        tasks = http.get(f"{here}/tasks", params={"_limit": 1000}).raise_for_status().json()["data"]
        ended = {(task["step_name"], task["task_id"]) for task in tasks if task["status"] == "completed"}
        assert {step: sum(name == step for name, _ in ended) for step in demo_run.tasks} == demo_run.tasks
        end = next(task for task in tasks if task["step_name"] == "end")
        name = end["task_name"] or end["task_id"]
        report = http.get(f"{here}/steps/end/tasks/{name}/artifacts/report/preview").raise_for_status().json()
        assert demo_run.report in str(report["data"])
        log = http.get(f"{here}/steps/end/tasks/{name}/logs/out").raise_for_status().json()["data"]
        assert any(demo_run.report in row["line"] for row in log), log
