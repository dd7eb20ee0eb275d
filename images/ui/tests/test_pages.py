"""How the built pages are served: what the document may do, below which path, and that nothing else is given out."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette

from metadata_service.domain.refusals import StorageAway
from metadata_service.settings import WrongSettings
from ui_backend.api.pages import Pages
from ui_backend.paged import PagesSettings
from ui_backend.settings import Settings

_DOCUMENT = (
    '<html><head><base href="/" /><meta name="nonce" content="__NONCE__" />'
    '<meta content="__KUBEFLOW__" /><meta name="cursor" content="__CURSOR__" /></head></html>'
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "pages"
    (made / "assets").mkdir(parents=True)
    (made / "index.html").write_text(_DOCUMENT)
    (made / "icon.svg").write_text("<svg/>")
    (made / "assets" / "index-1.js").write_text("1")
    (tmp_path / "secret").write_text("secret")
    return made


Cursor = Callable[[], Awaitable[str]]


async def get(settings: PagesSettings, path: str, headers: dict[str, str], cursor: Cursor | None) -> httpx.Response:
    transport = httpx.ASGITransport(Starlette(routes=Pages(settings, cursor=cursor).routes))
    async with httpx.AsyncClient(transport=transport, base_url="http://ui.example") as client:
        return await client.get(path, headers=headers)


def fetch(
    settings: PagesSettings, path: str, headers: dict[str, str] | None = None, cursor: Cursor | None = None
) -> httpx.Response:
    return asyncio.run(get(settings, path, headers or {}, cursor))


@pytest.mark.parametrize("path", ["/", "/flows/A/runs/1", "/flows/A.b/runs/x.y", "/index.html"])
def test_every_address_is_the_document(folder: Path, path: str) -> None:
    answer = fetch(PagesSettings(folder), path)
    policy = answer.headers["content-security-policy"]
    nonce = policy.partition("'nonce-")[2].partition("'")[0]
    assert f'content="{nonce}"' in answer.text
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy
    assert nonce not in fetch(PagesSettings(folder), path).text


@pytest.mark.parametrize(
    ("prefix", "path", "place"),
    [
        ("", "/Flow/12", "/flows/Flow/runs/12"),
        ("/tool", "/Flow_2/kfp-1", "/tool/flows/Flow_2/runs/kfp-1"),
        ("", "/Flow/%22x%3F", "/flows/Flow/runs/%22x%3F"),
    ],
)
def test_the_address_that_metaflow_prints_for_a_run_leads_to_it(
    folder: Path, prefix: str, path: str, place: str
) -> None:
    answer = fetch(PagesSettings(folder, prefix), path)
    assert (answer.status_code, answer.headers["location"]) == (307, place)


@pytest.mark.parametrize("path", ["/flows/Flow", "/assets/index-1.js", "/Flow/12/start", "/flows/Flow/"])
def test_an_address_of_our_own_is_led_nowhere_else(folder: Path, path: str) -> None:
    assert fetch(PagesSettings(folder), path).status_code == 200


def test_files_are_kept_by_browsers_when_their_name_has_their_hash(folder: Path) -> None:
    settings = PagesSettings(folder)
    assert "immutable" in fetch(settings, "/assets/index-1.js").headers["cache-control"]
    assert "immutable" not in fetch(settings, "/icon.svg").headers.get("cache-control", "")
    assert fetch(settings, "/assets/none.js").status_code == 404


@pytest.mark.parametrize("path", ["/assets/../../secret", "/assets/%2e%2e/%2e%2e/secret", "/..%2fsecret", "/api/none"])
def test_nothing_else_is_given_out(folder: Path, path: str) -> None:
    answer = fetch(PagesSettings(folder), path)
    assert "secret" not in answer.text
    assert path != "/api/none" or answer.status_code == 404


@pytest.mark.parametrize(
    ("setting", "header", "base"),
    [
        ("", "", "/"),
        ("", "/tool/ui", "/tool/ui/"),
        ("/fixed/", "/tool", "/fixed/"),
        ("", '/"><script>', "/"),
        ("", "//evil.example", "/"),
    ],
)
def test_the_document_knows_below_which_path_it_is_shown(folder: Path, setting: str, header: str, base: str) -> None:
    headers = {"x-forwarded-prefix": header} if header else {}
    assert f'<base href="{base}" />' in fetch(PagesSettings(folder, setting), "/flows", headers).text


def test_the_document_knows_where_kubeflow_is(folder: Path) -> None:
    settings = PagesSettings(folder, kubeflow='https://kubeflow.example/_/pipeline?"<')
    assert 'content="https://kubeflow.example/_/pipeline?&quot;&lt;"' in fetch(settings, "/").text


def test_without_pages_it_says_how_to_get_them() -> None:
    answer = fetch(PagesSettings(), "/")
    assert answer.status_code == 404
    assert "make ui" in answer.text


def test_wrong_settings_are_refused(tmp_path: Path) -> None:
    environ = {"MF_METADATA_DB_FILE": str(tmp_path / "a.db"), "MF_UI_PAGES": str(tmp_path), "MF_UI_PREFIX": "tool"}
    environ["MF_UI_KUBEFLOW_URL"] = "javascript:alert(1)"
    with pytest.raises(WrongSettings) as wrong:
        Settings.from_environ(environ)
    assert [problem.partition(":")[0] for problem in wrong.value.problems] == [
        "MF_UI_PAGES",
        "MF_UI_PREFIX",
        "MF_UI_KUBEFLOW_URL",
    ]


def test_the_document_is_told_the_cursor_of_its_moment(folder: Path) -> None:
    async def now() -> str:
        return '17-3:4:"><script>'

    assert 'content="17-3:4:&quot;&gt;&lt;script&gt;"' in fetch(PagesSettings(folder), "/", cursor=now).text


@pytest.mark.parametrize("hangs", [False, True], ids=["is away", "hangs"])
def test_the_document_comes_without_a_database(folder: Path, hangs: bool) -> None:
    async def now() -> str:
        if not hangs:
            raise StorageAway("away")
        await asyncio.Event().wait()
        return "never"

    assert '<meta name="cursor" content="" />' in fetch(PagesSettings(folder), "/", cursor=now).text


def test_a_packed_script_is_given_to_who_takes_it(folder: Path) -> None:
    (folder / "assets" / "index-1.js.gz").write_bytes(gzip.compress(b"packed"))
    packed = fetch(PagesSettings(folder), "/assets/index-1.js")
    assert (packed.text, packed.headers["content-encoding"], packed.headers["vary"]) == (
        "packed",
        "gzip",
        "Accept-Encoding",
    )
    assert "javascript" in packed.headers["content-type"]
    assert "immutable" in packed.headers["cache-control"]
    plain = fetch(PagesSettings(folder), "/assets/index-1.js", {"Accept-Encoding": "identity"})
    assert (plain.text, plain.headers.get("content-encoding")) == ("1", None)


@pytest.mark.parametrize("name", ["x" * 5_000 + ".js", "none.js", "%00.js", "..%2F..%2Fsecret"])
@pytest.mark.parametrize("encoding", ["gzip", "identity"])
def test_a_script_that_is_not_there_is_not_found(folder: Path, name: str, encoding: str) -> None:
    assert fetch(PagesSettings(folder), f"/assets/{name}", {"Accept-Encoding": encoding}).status_code == 404
