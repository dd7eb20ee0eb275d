"""What is changed in the pages: tags, runs, flows and tokens; and who is let in."""

from __future__ import annotations

import re

import httpx
import pytest
from playwright.sync_api import Page, expect

from .conftest import ADMIN, Open, Site, entry
from .recording import end, new_run, new_task

pytestmark = [pytest.mark.server, pytest.mark.slow]


def tags_of(site: Site, flow: str, run: int) -> list[str]:
    tags: list[str] = httpx.get(f"{site.url}/api/flows/{flow}/runs/{run}", timeout=60).json()["data"]["tags"]
    return tags


def test_the_tags_of_a_run_are_changed(open_page: Open, site: Site) -> None:
    new_run(site, "TagFlow", 91_001, tags=["old", "kept"])
    page = open_page("/flows/TagFlow/runs/91001")
    page.get_by_role("button", name="Change the tags").click()
    dialog = page.get_by_role("dialog", name="Tags of this run")
    tags = entry(dialog, "Tags")
    # The last tag goes.
    tags.press("Backspace")
    tags.fill("new")
    tags.press("Enter")
    dialog.get_by_role("button", name="Save").click()
    expect(dialog).to_have_count(0)
    about = page.get_by_role("group", name="About the run")
    expect(about.locator(".tag")).to_have_text(["old", "new"])
    assert sorted(tags_of(site, "TagFlow", 91_001)) == ["new", "old"]


def test_runs_are_tagged_together(open_page: Open, site: Site) -> None:
    for number in range(3):
        new_run(site, f"BulkFlow{number}", 91_010 + number, tags=["before"])
    page = open_page("/?tag=before")
    grid = page.get_by_role("grid", name="Runs")
    for number in range(2):
        grid.get_by_role("checkbox", name=f"Choose run {91_010 + number}").click()
    page.get_by_role("button", name="Tag", exact=True).last.click()
    dialog = page.get_by_role("dialog", name="Tags of 2 runs")
    entry(dialog, "Add").fill("after")
    entry(dialog, "Add").press("Enter")
    entry(dialog, "Remove").fill("before")
    entry(dialog, "Remove").press("Enter")
    dialog.get_by_role("button", name="Save").click()
    expect(grid.locator(".table-row[aria-rowindex]")).to_have_count(1)
    assert [tags_of(site, f"BulkFlow{n}", 91_010 + n) for n in range(3)] == [["after"], ["after"], ["before"]]


def test_a_run_and_a_flow_are_deleted_after_a_question(open_page: Open, site: Site) -> None:
    for number in (91_020, 91_021):
        end(site, new_task(site, new_run(site, f"GoneFlow{number}", number), "end", number), ok=True)
    page = open_page("/flows/GoneFlow91020/runs/91020")
    page.get_by_role("button", name="More").click()
    page.get_by_role("menuitem", name="Delete this run").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.get_by_role("button", name="More").click()
    page.get_by_role("menuitem", name="Delete this run").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete the run").click()
    expect(page.get_by_text("No run passes these filters")).to_be_visible()
    assert httpx.get(f"{site.url}/api/flows/GoneFlow91020/runs/91020", timeout=60).status_code == 404

    page.goto(f"{site.url}/flows/GoneFlow91021")
    page.get_by_role("button", name="Delete…").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("button", name="Delete the flow")).to_be_disabled()
    dialog.get_by_role("textbox").fill("GoneFlow91021")
    dialog.get_by_role("button", name="Delete the flow").click()
    grid = page.get_by_role("grid", name="Flows")
    expect(grid.get_by_role("link", name="GoneFlow91020")).to_be_visible()
    expect(grid.get_by_role("link", name="GoneFlow91021")).to_have_count(0)


def test_rules_are_tried_and_remove_nothing(open_page: Open, site: Site) -> None:
    for number in range(3):
        end(site, new_task(site, new_run(site, f"OldFlow{number}", 91_030 + number), "end", 91_030 + number), ok=True)
    page = open_page("/admin")
    retention = page.get_by_role("region", name="Retention")
    flows = entry(retention, "Flows, * for any letters")
    flows.press("Backspace")
    flows.fill("OldFlow*")
    flows.press("Enter")
    entry(retention, "Younger than days").fill("0")
    entry(retention, "The last of each flow").fill("0")
    retention.get_by_role("button", name="Count what would go").click()
    expect(retention.get_by_role("status")).to_have_text("3 runs would be removed. Nothing was.")
    expect(retention.locator("pre, code").first).to_contain_text('"OldFlow*"')
    assert httpx.get(f"{site.url}/api/flows/OldFlow1/runs/91031", timeout=60).status_code == 200
    expect(page.get_by_text("Nobody needs a token")).to_be_visible()


def test_who_has_no_token_logs_in_and_comes_to_the_page_that_was_asked_for(open_page: Open, closed: Site) -> None:
    new_run(closed, "SecretFlow", 91_040, tags=["secret"])
    page = open_page("/flows/SecretFlow/runs/91040", noisy=True)
    form = page.get_by_role("form", name="Log in")
    entry(form, "Token").fill("mft_of_nobody")
    form.get_by_role("button", name="Log in").click()
    expect(form).to_contain_text("not known, or no longer valid")
    entry(form, "Token").fill(ADMIN)
    form.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("SecretFlow 91040")
    assert page.evaluate("document.cookie") == ""
    page.reload()
    expect(page.get_by_role("heading", level=1)).to_contain_text("SecretFlow 91040")
    expect(page.get_by_role("status").filter(has_text="Live")).to_be_visible()
    page.get_by_role("button", name="Account").click()
    page.get_by_role("menuitem", name="Log out").click()
    expect(form).to_be_visible()
    assert httpx.get(f"{closed.url}/api/runs", timeout=60).status_code == 401


def test_tokens_are_issued_and_revoked_and_may_no_more_than_they_say(open_page: Open, closed: Site) -> None:
    new_run(closed, "TokenFlow", 91_050)
    admin = open_page("/admin", noisy=True)
    log_in(admin, ADMIN)
    tokens = admin.get_by_role("region", name="Tokens", exact=True)
    tokens.get_by_role("button", name="Issue a token").click()
    draft = admin.get_by_role("dialog", name="Issue a token")
    entry(draft, "Name").fill("a reader")
    draft.get_by_role("button", name="Issue", exact=True).click()
    shown = admin.get_by_role("dialog", name="The token of a reader")
    token = re.findall(r"mft_\w+_[\w-]+", shown.inner_text())[0]
    admin.keyboard.press("Escape")
    expect(tokens.get_by_role("row", name="a reader")).to_contain_text("everything")

    reader = open_page("/flows/TokenFlow/runs/91050", noisy=True)
    log_in(reader, token)
    expect(reader.get_by_role("heading", level=1)).to_contain_text("TokenFlow")
    for name in ("More", "Change the tags"):
        expect(reader.get_by_role("button", name=name)).to_have_count(0)
    expect(reader.get_by_role("link", name="Admin")).to_have_count(0)
    reader.goto(f"{closed.url}/admin")
    expect(reader.get_by_text("Not for this token")).to_be_visible()

    tokens.get_by_role("row", name="a reader").get_by_role("button", name="Revoke").click()
    admin.get_by_role("dialog").get_by_role("button", name="Revoke the token").click()
    expect(tokens.get_by_role("row", name="a reader")).to_contain_text("ended")
    expect(tokens.get_by_role("button", name="Revoke")).to_have_count(0)
    reader.goto(f"{closed.url}/")
    expect(reader.get_by_role("form", name="Log in")).to_be_visible()


def log_in(page: Page, token: str) -> None:
    form = page.get_by_role("form", name="Log in")
    entry(form, "Token").fill(token)
    form.get_by_role("button", name="Log in").click()
