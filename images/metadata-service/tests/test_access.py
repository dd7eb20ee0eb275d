"""Who may do what: tokens with scopes and reach, a proxy's word, and the rate of a token; on each store."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from metadata_testbed.described import check_answer
from metadata_testbed.laptop import Laptop
from metadata_testbed.postgres import PostgresServer
from metadata_testbed.service import Service
from metadata_testbed.stores import PostgresStore, SqliteStore, Store

from metadata_service.api.application import ROUTES
from metadata_service.cli import main
from metadata_service.domain.tokens import NewToken, issue, parts
from metadata_service.settings import KNOWN

pytestmark = pytest.mark.server

ADMIN = "an admin token of the settings"
PROJECT = {"system_tags": ["project:shop_eu", "user:ann"]}


@dataclass
class Guarded:
    """A service that asks for tokens."""

    service: Service
    store: Store

    def request(self, token: str, method: str, path: str, body: object = None, **headers: str) -> httpx.Response:
        sent = {**({"x-api-key": token} if token else {}), **headers}
        response = httpx.request(method, self.service.url + path, json=body, headers=sent, timeout=30)
        check_answer(response)
        return response

    def status(self, token: str, method: str, path: str, body: object = None) -> int:
        return self.request(token, method, path, body).status_code

    def token(self, scope: str, **rights: object) -> str:
        answer = self.request(ADMIN, "POST", "/tokens", {"name": f"a {scope}", "scope": scope, **rights})
        assert answer.status_code == 200, answer.text
        token: str = answer.json()["token"]
        return token


@pytest.fixture(scope="module")
def guarded_database(postgres: PostgresServer) -> str:
    postgres.create_database("guarded")
    return "guarded"


@pytest.fixture(scope="module", params=["postgres", "sqlite"])
def guarded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    folder = tmp_path_factory.mktemp("guarded")
    store: Store = SqliteStore(folder / "metadata.db")
    if request.param == "postgres":
        postgres: PostgresServer = request.getfixturevalue("postgres")
        store = PostgresStore(postgres, request.getfixturevalue("guarded_database"))
    service = Service(
        folder / "log",
        store.address,
        MF_METADATA_AUTH="tokens",
        MF_METADATA_ADMIN_TOKEN=ADMIN,
        MF_METADATA_TRUSTED_HEADER="kubeflow-userid",
        MF_METADATA_TRUSTED_PROXIES="10.0.0.0/8,127.0.0.0/8",
    )
    service.wait_until()
    yield Guarded(service, store)
    assert service.end() == 0
    assert "mft_" not in service.log_text() and ADMIN not in service.log_text()


def test_every_route_asks_for_a_token_but_those_of_probes(guarded: Guarded) -> None:
    open_to_all = {"/ping", "/metrics", "/version", "/healthcheck", "/readyz", "/openapi.json", "/auth/token"}
    for route in ROUTES:
        path = re.sub(r"{\w+}", "1", route.path)
        wanted = 401
        if route.path in open_to_all:
            wanted = 404 if route.path == "/auth/token" else 200
        assert guarded.status("", route.method, path) == wanted, route.path


@pytest.mark.parametrize("header", ["x-api-key", "Authorization"])
def test_a_token_is_sent_in_two_ways(guarded: Guarded, header: str) -> None:
    token = guarded.token("read")
    value = token if header == "x-api-key" else f"Bearer {token}"
    assert guarded.request("", "GET", "/flows", **{header: value}).status_code == 200
    wrong = guarded.request("", "GET", "/flows", **{header: value[:-1] + ("a" if value[-1] != "a" else "b")})
    assert wrong.status_code == 401 and wrong.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("sent", ["nonsense", "mft_", "mft_000000000000_x", "mft_' OR 1=1 --_x", "", "x" * 5000])
def test_what_is_no_token_opens_nothing(guarded: Guarded, sent: str) -> None:
    assert guarded.status(sent, "GET", "/flows") == 401


def test_scopes_include_the_ones_before(guarded: Guarded) -> None:
    read, write, admin = (guarded.token(scope) for scope in ("read", "write", "admin"))
    assert guarded.status(read, "POST", "/flows/Scopes", {}) == 403
    assert guarded.status(write, "POST", "/flows/Scopes", {}) == 200
    assert guarded.status(read, "GET", "/flows/Scopes") == guarded.status(admin, "GET", "/flows/Scopes") == 200
    assert guarded.status(write, "GET", "/tokens") == guarded.status(read, "GET", "/tokens") == 403
    assert guarded.status(admin, "GET", "/tokens") == 200
    assert "may read, and this takes write" in guarded.request(read, "POST", "/flows/F", {}).json()["message"]


def test_a_token_of_flows_reaches_no_others(guarded: Guarded) -> None:
    token = guarded.token("write", flows=["Shop", "Ware"])
    for flow in ("ShopTrain", "Warehouse", "Other", "shoptrain"):
        mine = flow in ("ShopTrain", "Warehouse")
        assert guarded.status(token, "POST", f"/flows/{flow}", {}) == (200 if mine else 403)
        guarded.request(ADMIN, "POST", f"/flows/{flow}", {})
        assert guarded.status(token, "POST", f"/flows/{flow}/run", {}) == (200 if mine else 403)
        assert guarded.status(token, "GET", f"/flows/{flow}/runs") == (200 if mine else 403)
    assert {flow["flow_id"] for flow in guarded.request(token, "GET", "/flows").json()} == {"ShopTrain", "Warehouse"}


def test_a_token_of_projects_reaches_no_others(guarded: Guarded) -> None:
    token = guarded.token("write", projects=["shop"])
    assert guarded.status(token, "POST", "/flows/InShop", PROJECT) == 200
    assert guarded.status(token, "POST", "/flows/InShop/run", {}) == 403
    assert guarded.status(token, "POST", "/flows/InShop/run", {"tags": PROJECT["system_tags"]}) == 403
    mine = guarded.request(token, "POST", "/flows/InShop/run", PROJECT).json()["run_number"]
    guarded.request(ADMIN, "POST", "/flows/InShop/run", {"system_tags": ["project:other", "x-project:shop"]})
    spoof = guarded.request(ADMIN, "POST", "/flows/InShop/run", {"tags": ["project:shop"]}).json()["run_number"]
    for _ in range(2):
        assert guarded.status(token, "GET", f"/flows/InShop/runs/{mine}/steps") == 200
        assert guarded.status(token, "GET", f"/flows/InShop/runs/{spoof}/steps") == 403
    assert guarded.status(token, "POST", f"/flows/InShop/runs/{spoof}/heartbeat") == 403
    assert guarded.status(token, "GET", "/flows/InShop/runs/999999") == 404
    runs = guarded.request(token, "GET", "/flows/InShop/runs").json()
    assert [run["run_number"] for run in runs] == [mine]
    guarded.request(ADMIN, "POST", "/flows/OutOfShop", {"system_tags": ["project:other"]})
    assert guarded.status(token, "GET", "/flows/OutOfShop") == 403
    assert [flow["flow_id"] for flow in guarded.request(token, "GET", "/flows").json()] == ["InShop"]


def test_only_a_token_that_reaches_everything_manages_tokens(guarded: Guarded) -> None:
    token = guarded.token("admin", flows=["Shop"])
    assert guarded.status(token, "GET", "/tokens") == 403
    assert guarded.status(token, "POST", "/tokens", {"name": "x", "scope": "admin"}) == 403


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "", "scope": "read"},
        {"name": "x", "scope": "root"},
        {"name": "x", "scope": "read", "flows": ["a"], "projects": ["b"]},
        {"name": "x", "scope": "read", "flows": [""]},
        {"name": "x", "scope": "read", "valid_seconds": 0},
    ],
)
def test_a_token_that_cannot_be_is_refused(guarded: Guarded, wrong: dict[str, object]) -> None:
    assert guarded.status(ADMIN, "POST", "/tokens", wrong) == 400


def test_a_token_is_kept_as_a_hash_and_listed_without(guarded: Guarded) -> None:
    token = guarded.token("read", valid_seconds=1000)
    token_id, secret = parts(token) or ("", "")
    table = "tributary.tokens" if guarded.store.name == "postgres" else "tokens"
    ((row),) = guarded.store.rows(f"SELECT * FROM {table} WHERE token_id = %(id)s", {"id": token_id})
    assert not [value for value in row if secret in str(value)]
    listed = guarded.request(ADMIN, "GET", "/tokens")
    assert secret not in listed.text and "digest" not in listed.text
    (found,) = [each for each in listed.json() if each["token_id"] == token_id]
    assert (found["scope"], found["flows"], found["expires_ts"] - found["created_ts"]) == ("read", [], 1000)


def test_a_revoked_token_ends_and_stays_in_the_list(guarded: Guarded) -> None:
    token = guarded.token("read")
    token_id = token.split("_")[1]
    assert guarded.status(token, "GET", "/flows") == 200
    revoked = guarded.request(ADMIN, "DELETE", f"/tokens/{token_id}").json()
    assert guarded.status(token, "GET", "/flows") == 401
    assert guarded.request(ADMIN, "DELETE", f"/tokens/{token_id}").json()["expires_ts"] == revoked["expires_ts"]
    assert token_id in guarded.request(ADMIN, "GET", "/tokens").text
    assert guarded.status(ADMIN, "DELETE", "/tokens/nobody") == 404


def test_rotation_overlaps(guarded: Guarded) -> None:
    old = guarded.token("write", flows=["Rotated"])
    path = f"/tokens/{old.split('_')[1]}/rotate"
    new = guarded.request(ADMIN, "POST", path, {"overlap_seconds": 1000}).json()["token"]
    assert guarded.status(new, "POST", "/flows/Rotated", {}) == 200
    assert guarded.status(new, "POST", "/flows/Elsewhere", {}) == 403
    assert guarded.status(old, "GET", "/flows/Rotated") == 200
    guarded.request(ADMIN, "POST", path, {"overlap_seconds": 0})
    assert guarded.status(old, "GET", "/flows/Rotated") == 401
    assert guarded.status(new, "GET", "/flows/Rotated") == 200


def test_a_proxy_may_say_who_reads(guarded: Guarded) -> None:
    user = {"kubeflow-userid": "ann@example.org"}
    assert guarded.request("", "GET", "/flows", **user).status_code == 200
    assert guarded.request("", "POST", "/flows/Proxied", {}, **user).status_code == 403
    assert guarded.request("wrong", "GET", "/flows", **user).status_code == 401


def test_the_log_says_who_it_was(guarded: Guarded) -> None:
    guarded.request(guarded.token("read"), "GET", "/flows", **{"x-request-id": "whose"})
    (line,) = guarded.service.logged("whose")
    assert re.fullmatch(r"a read \([0-9a-f]{12}\)", line["caller"])


def test_the_word_of_others_than_the_proxy_counts_nothing(
    tmp_path: Path, start_service: Callable[..., Service]
) -> None:
    service = start_service(
        tmp_path / "metadata.db",
        MF_METADATA_AUTH="tokens",
        MF_METADATA_ADMIN_TOKEN=ADMIN,
        MF_METADATA_TOKEN_RATE="0.0001",
        MF_METADATA_TRUSTED_HEADER="kubeflow-userid",
        MF_METADATA_TRUSTED_PROXIES="10.0.0.0/8",
    )
    service.wait_until()
    claim = {"kubeflow-userid": "ann", "X-Forwarded-For": "10.0.0.1", "Forwarded": "for=10.0.0.1"}
    assert httpx.get(service.url + "/flows", headers=claim, timeout=60).status_code == 401

    token = Guarded(service, SqliteStore(tmp_path / "metadata.db")).token("read")
    asked = [httpx.get(service.url + "/flows", headers={"x-api-key": token}, timeout=60) for _ in range(3)]
    assert [answer.status_code for answer in asked] == [200, 429, 429]
    assert httpx.get(service.url + "/flows", headers={"x-api-key": ADMIN}, timeout=60).status_code == 200


def test_the_command_issues_lists_rotates_and_revokes(
    guarded: Guarded, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in KNOWN:
        monkeypatch.delenv(name, raising=False)
    where = "MF_METADATA_DB_FILE" if guarded.store.name == "sqlite" else "MF_METADATA_DB_DSN"
    monkeypatch.setenv(where, str(guarded.store.address))

    def command(*arguments: str, code: int = 0) -> tuple[str, str]:
        assert main(["tokens", *arguments]) == code
        said = capsys.readouterr()
        return said.out.strip(), said.err

    token, said = command("issue", "ci", "--scope", "write", "--flows", "Cli", "--days", "2")
    assert guarded.status(token, "POST", "/flows/CliFlow", {}) == 200
    assert token not in said
    token_id = token.split("_")[1]
    listed, _ = command("list")
    assert re.search(rf"{token_id}  write  flows Cli\*  valid until .* UTC  'ci'", listed) and token not in listed
    renewed, _ = command("rotate", token_id, "--overlap-hours", "1")
    assert guarded.status(renewed, "GET", "/flows/CliFlow") == guarded.status(token, "GET", "/flows/CliFlow") == 200
    assert "ended" in command("revoke", token_id)[0]
    assert "'nobody' does not exist" in command("revoke", "nobody", code=1)[1]
    assert "valid_seconds" in command("issue", "x", "--scope", "read", "--days", "-1", code=2)[1]


def test_the_settings_give_a_token_that_reads_and_writes(tmp_path: Path, start_service: Callable[..., Service]) -> None:
    token = "a-token-for-steps-and-clients"
    service = start_service(tmp_path / "metadata.db", MF_METADATA_AUTH="tokens", MF_METADATA_WRITE_TOKEN=token)
    service.wait_until()
    guarded = Guarded(service, SqliteStore(tmp_path / "metadata.db"))
    assert guarded.status(token, "POST", "/flows/Steps", {}) == guarded.status(token, "GET", "/flows/Steps") == 200
    assert guarded.status(token, "DELETE", "/flows/Steps") == guarded.status(token, "GET", "/tokens") == 403
    assert guarded.status("another-" + token, "GET", "/flows/Steps") == 401
    assert token not in service.log_text()


def test_an_expired_token_opens_nothing() -> None:
    stored, issued = issue(NewToken("x", "read", valid_seconds=10), 1000)
    _, secret = parts(issued.token) or ("", "")
    assert stored.opens(secret, 1009) and not stored.opens(secret, 1010) and not stored.opens("other", 1000)


@pytest.mark.slow
def test_metaflow_sends_its_token_in_both_ways(tmp_path: Path, start_service: Callable[..., Service]) -> None:
    service = start_service(tmp_path / "metadata.db", MF_METADATA_AUTH="tokens", MF_METADATA_ADMIN_TOKEN=ADMIN)
    service.wait_until()
    guarded = Guarded(service, SqliteStore(tmp_path / "metadata.db"))
    assert guarded.status(ADMIN, "POST", "/flows/Seen", {}) == 200
    token = guarded.token("read")
    ask = ("-c", "from metaflow import Metaflow, namespace; namespace(None); print(Metaflow().flows)")
    ways = {
        "METAFLOW_SERVICE_AUTH_KEY": token,
        "METAFLOW_SERVICE_HEADERS": json.dumps({"Authorization": f"Bearer {token}"}),
    }
    where = {"METAFLOW_DEFAULT_METADATA": "service", "METAFLOW_SERVICE_URL": service.url}
    for name, value in ways.items():
        laptop = Laptop(tmp_path / name, **where, **{name: value})
        assert laptop.python(*ask).splitlines()[-1] == "[Flow('Seen')]"
