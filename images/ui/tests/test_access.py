"""Who may see and do what: off, tokens and proxies; and what another site makes a browser send. On each store."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import websocket
from metadata_testbed.service import run_command
from ui_demo.tables import Rows, write

from .conftest import NOW, Ui
from .replicas import Replica

pytestmark = pytest.mark.server

ADMIN = "an-admin-token-of-the-settings"
_RUN = "/flows/TrainFlow/runs/1"
_PAGE = {"X-Tributary-Page": "1"}


def _rows() -> Rows:
    rows = Rows()
    for number, (flow, project) in enumerate(
        [("TrainFlow", "churn"), ("trainflow", "fraud"), ("ScoreFlow", "churn_eu"), ("ScoreFlow", "fraud")], 1
    ):
        tags = {"tags": [f"t{number}"], "system_tags": [f"project:{project}", "user:ann"]}
        if flow not in [one["flow_id"] for one in rows.tables["flows_v3"]]:
            rows.add("flows_v3", {"flow_id": flow, "ts_epoch": NOW, **tags})
        run = {"flow_id": flow, "run_number": number, "ts_epoch": NOW - number, "user_name": "ann", **tags}
        rows.add("runs_v3", run)
        rows.add("steps_v3", {**run, "step_name": "start"})
    return rows


@pytest.fixture(scope="module")
def closed(new_ui: Callable[..., Ui]) -> Ui:
    """A backend that asks for tokens, or for the word of a proxy on this machine."""
    made = new_ui(
        MF_METADATA_AUTH="tokens",
        MF_METADATA_ADMIN_TOKEN=ADMIN,
        MF_METADATA_TRUSTED_HEADER="X-Forwarded-User",
        MF_METADATA_TRUSTED_PROXIES="127.0.0.0/8",
    )
    made.write(_rows())
    return made


@pytest.fixture
def ui(closed: Ui) -> Iterator[Ui]:
    """The same, with nobody logged in."""
    closed.http.cookies.clear()
    yield closed
    closed.http.cookies.clear()


def _issue(ui: Ui, scope: str, **reach: list[str]) -> str:
    draft = {"name": "somebody", "scope": scope, **reach}
    token: str = ui.ask("POST", "/metadata/tokens", draft, headers={"x-api-key": ADMIN}).json()["token"]
    return token


def _log_in(ui: Ui, token: str) -> str:
    """Gives the cookie as it was set."""
    return ui.ask("POST", "/login", {"token": token}).headers["set-cookie"]


def _seen(ui: Ui, path: str) -> set[Any]:
    found = ui.get(path, {"_limit": "100"})
    return {one.get("run_number", one["flow_id"]) if isinstance(one, dict) else one for one in found}


def test_without_a_token_nothing_is_shown(ui: Ui) -> None:
    for path in ("/runs", "/flows", _RUN, "/tags", "/metadata/flows", f"{_RUN}/steps"):
        assert "token" in ui.get(path, status=401)["message"]
    assert ui.get("/session") == {"auth": "tokens", "caller": None, "scope": None, "everywhere": False}
    assert ui.fetch("/ping").text == "pong"
    assert ui.fetch("/readyz").status_code == 200


def test_a_login_is_a_cookie_that_no_script_reads(ui: Ui) -> None:
    cookie = _log_in(ui, ADMIN).lower()
    assert "httponly" in cookie and "samesite=strict" in cookie and "path=/" in cookie and "secure" not in cookie
    assert ui.get("/session")["scope"] == "admin"
    assert len(ui.get("/runs")) == 4
    ui.ask("POST", "/logout")
    assert ui.get("/runs", status=401)
    behind_tls = ui.ask("POST", "/login", {"token": ADMIN}, headers={**_PAGE, "X-Forwarded-Proto": "https"})
    assert "secure" in behind_tls.headers["set-cookie"].lower()
    below = ui.ask("POST", "/login", {"token": ADMIN}, headers={**_PAGE, "X-Forwarded-Prefix": "/metaflow"})
    assert "path=/metaflow/;" in below.headers["set-cookie"].lower()
    for wrong in ("mft_no_such", "", "x\r\nSet-Cookie: a=b", "ü", "x" * 5000):
        assert "set-cookie" not in ui.ask("POST", "/login", {"token": wrong}, 401).headers


def test_a_token_that_is_revoked_logs_nobody_in(ui: Ui) -> None:
    token = _issue(ui, "read")
    ui.ask("DELETE", f"/metadata/tokens/{token.split('_')[1]}", headers={"x-api-key": ADMIN})
    ui.ask("POST", "/login", {"token": token}, 401)


def test_flows_of_a_token(ui: Ui) -> None:
    _log_in(ui, _issue(ui, "read", flows=["Train"]))
    assert _seen(ui, "/flows") == {"TrainFlow"}
    assert _seen(ui, "/runs") == {1}
    assert _seen(ui, "/flows/autocomplete") == {"TrainFlow"}
    assert _seen(ui, "/tags") == {"t1", "project:churn", "user:ann"}
    assert ui.get(_RUN)["run_number"] == 1
    # Names are told apart by upper and lower case, as those of flows are.
    for path in ("/flows/trainflow", "/flows/trainflow/runs/2", "/flows/ScoreFlow/runs", "/metadata/flows/ScoreFlow"):
        assert "nothing to do with" in ui.get(path, status=403)["message"]


def test_projects_of_a_token(ui: Ui) -> None:
    _log_in(ui, _issue(ui, "read", projects=["churn"]))
    assert _seen(ui, "/runs") == {1, 3}
    assert _seen(ui, "/flows") == {"TrainFlow", "ScoreFlow"}
    assert _seen(ui, "/flows/ScoreFlow/runs") == {3}
    assert _seen(ui, "/flows/ScoreFlow/runs/autocomplete") == {"3"}
    assert "t4" not in _seen(ui, "/tags")
    assert ui.get("/flows/ScoreFlow/runs/3/steps")
    for path in ("/flows/ScoreFlow/runs/4", "/flows/ScoreFlow/runs/4/steps", "/flows/trainflow"):
        assert "projects" in ui.get(path, status=403)["message"]


def test_a_scope_is_all_that_it_takes_to_write(ui: Ui) -> None:
    change = {"tags_to_add": ["new"], "tags_to_remove": []}
    tags = f"/metadata{_RUN}/tag/mutate"
    _log_in(ui, _issue(ui, "read"))
    assert "write" in ui.ask("PATCH", tags, change, 403).json()["message"]
    _log_in(ui, _issue(ui, "write", flows=["Train"]))
    ui.ask("PATCH", tags, change)
    assert ui.get(_RUN)["tags"] == ["t1", "new"]
    ui.ask("PATCH", tags, {"tags_to_add": [], "tags_to_remove": ["new"]})
    ui.ask("DELETE", f"/metadata{_RUN}", status=403)
    ui.ask("GET", "/metadata/tokens", status=403)


def test_what_only_an_admin_may(new_ui: Callable[..., Ui]) -> None:
    ui = new_ui(MF_METADATA_AUTH="tokens", MF_METADATA_ADMIN_TOKEN=ADMIN)
    ui.write(_rows())
    policies = {"policies": [{"max_age_days": 0}]}
    _log_in(ui, _issue(ui, "write"))
    ui.ask("POST", "/retention/dry-run", policies, 403)
    _log_in(ui, _issue(ui, "admin", flows=["Train"]))
    assert "everything" in ui.ask("POST", "/retention/dry-run", policies, 403).json()["message"]
    _log_in(ui, ADMIN)
    assert ui.ask("POST", "/retention/dry-run", policies).json()["data"] == {"runs": 4}
    ui.ask("POST", "/retention/dry-run", {"policies": [{}]}, 400)
    assert len(ui.get("/runs")) == 4
    assert ui.ask("DELETE", "/metadata/flows/ScoreFlow/runs/3").json()["runs"] == 1
    assert ui.ask("DELETE", "/metadata/flows/ScoreFlow").json()["runs"] == 1
    assert _seen(ui, "/runs") == {1, 2}
    issued = ui.ask("GET", "/metadata/tokens").json()
    assert {token["scope"] for token in issued} == {"admin", "write"}
    assert "digest" not in json.dumps(issued)


def test_a_proxy_lets_somebody_read(ui: Ui) -> None:
    ann = {"X-Forwarded-User": "ann@example.org"}
    assert ui.ask("GET", "/session", headers=ann).json()["data"]["caller"] == "X-Forwarded-User ann@example.org"
    assert len(ui.ask("GET", "/runs", headers=ann).json()["data"]) == 4
    tags = {"tags_to_add": ["x"], "tags_to_remove": []}
    ui.ask("PATCH", f"/metadata{_RUN}/tag/mutate", tags, 403, {**ann, **_PAGE})


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {**_PAGE, "Sec-Fetch-Site": "cross-site"},
        {**_PAGE, "Sec-Fetch-Site": "same-site"},
        {**_PAGE, "Origin": "https://elsewhere.example"},
        {**_PAGE, "Origin": "null"},
    ],
)
def test_another_site_cannot_write_in_somebodys_name(ui: Ui, headers: dict[str, str]) -> None:
    _log_in(ui, ADMIN)
    for method, path in (
        ("PATCH", f"/metadata{_RUN}/tag/mutate"),
        ("DELETE", f"/metadata{_RUN}"),
        ("POST", "/metadata/tokens"),
        ("POST", "/login"),
        ("POST", "/logout"),
        ("POST", "/retention/dry-run"),
    ):
        assert "UI itself" in ui.ask(method, path, {}, 403, headers).json()["message"]
    assert len(ui.get("/runs")) == 4


@pytest.mark.parametrize(
    "headers",
    [
        {**_PAGE, "Sec-Fetch-Site": "same-origin", "Origin": "https://behind.a.proxy"},
        {**_PAGE, "Origin": "http://ui.example"},
        {**_PAGE, "Origin": "https://kubeflow.example", "X-Forwarded-Host": "kubeflow.example, inner"},
        {"Authorization": f"Bearer {ADMIN}", "Sec-Fetch-Site": "cross-site"},
    ],
)
def test_our_pages_and_programs_can_write(ui: Ui, headers: dict[str, str]) -> None:
    _log_in(ui, ADMIN)
    ui.ask("PATCH", f"/metadata{_RUN}/tag/mutate", {"tags_to_add": [], "tags_to_remove": ["x"]}, 200, headers)


def test_when_it_is_off_everybody_may_everything_but_other_sites(new_ui: Callable[..., Ui]) -> None:
    ui = new_ui()
    ui.write(_rows())
    assert ui.get("/session") == {"auth": "off", "caller": "anyone", "scope": "admin", "everywhere": True}
    ui.ask("POST", "/login", {"token": ADMIN}, 404)
    tags = {"tags_to_add": ["x"], "tags_to_remove": []}
    ui.ask("PATCH", f"/metadata{_RUN}/tag/mutate", tags, 403, {})
    ui.ask("PATCH", f"/metadata{_RUN}/tag/mutate", tags)
    assert ui.get(_RUN)["tags"] == ["t1", "x"]


def test_sockets_ask_too(tmp_path: Path) -> None:
    file = tmp_path / "metadata.db"
    access = {"MF_METADATA_AUTH": "tokens", "MF_METADATA_ADMIN_TOKEN": ADMIN}
    assert run_command("migrate", MF_METADATA_DB_FILE=str(file)).returncode == 0
    done = run_command(
        "tokens", "issue", "somebody", "--scope", "read", "--flows", "Train", MF_METADATA_DB_FILE=str(file)
    )
    token = next(word for word in done.stdout.split() if word.startswith("mft_"))
    replica = Replica(tmp_path / "log", file, **access)
    try:
        replica.wait_until_ready()
        cookie, here = f"tributary_token={token}", f"http://127.0.0.1:{replica.port}"
        for path in ("/changes", "/ws"):
            for headers, origin in (([], here), ([f"Cookie: {cookie}"], "https://elsewhere.example")):
                with pytest.raises(websocket.WebSocketBadStatusException, match="403"):
                    replica.connect(path, header=headers, origin=origin)
        socket = replica.connect("/changes", header=[f"Cookie: {cookie}"], origin=here)
        assert set(json.loads(socket.recv())) == {"cursor"}
        rows = _rows()
        for row in (row for table in rows.tables.values() for row in table):
            row["ts_epoch"] = time.time_ns() // 1_000_000
        write(file, rows)
        told = json.loads(socket.recv())["changes"]
        assert {change["flow_id"] for change in told} == {"TrainFlow"}
        assert [change["kind"] for change in told] == ["flow", "run", "step"]
        with pytest.raises(websocket.WebSocketBadStatusException, match="403"):
            replica.connect("/changes", header=["x-api-key: " + ADMIN], host="attacker.example")
    finally:
        replica.kill()
        replica.disconnect()
