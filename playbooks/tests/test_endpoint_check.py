"""Every address of a client is asked, and the one that does not answer is named."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from playbooks.tests.conftest import Run
from playbooks.tests.laptop_endpoints import LaptopEndpoints


@pytest.fixture
def laptop() -> Iterator[LaptopEndpoints]:
    with LaptopEndpoints() as endpoints:
        endpoints.access_key = lambda: "the-key"
        yield endpoints


@pytest.fixture
def arguments(laptop: LaptopEndpoints, tmp_path: Path) -> dict[str, Any]:
    credentials = tmp_path / "credentials"
    credentials.write_text("[default]\naws_access_key_id = the-key\naws_secret_access_key = a%secret\n")
    endpoints = [
        {"name": "metadata service", "url": f"{laptop.url}/ping"},
        {"name": "Kubeflow Pipelines", "url": f"{laptop.url}/apis/v2beta1/healthz", "telling": ["multi_user"]},
    ]
    store = {"url": laptop.url, "bucket": "metaflow", "credentials_file": str(credentials)}
    return {"endpoints": endpoints, "store": store, "attempts": 2, "pause": 0}


@pytest.fixture
def away() -> Iterator[str]:
    """An address that is taken and refuses every connection."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{held.getsockname()[1]}"


def test_good_endpoints_are_asked_once(laptop: LaptopEndpoints, run: Run, arguments: dict[str, Any]) -> None:
    result = run("endpoint_check", **arguments)
    assert not result["changed"]
    assert laptop.asked == ["/ping", "/apis/v2beta1/healthz", "/metaflow"]


def test_check_mode_asks_nothing(laptop: LaptopEndpoints, run: Run, arguments: dict[str, Any]) -> None:
    looked = run("endpoint_check", check=True, **arguments)
    assert (laptop.asked, looked["changed"]) == ([], False)
    assert looked["asked"][0] == f"{laptop.url}/ping"


def test_an_endpoint_that_is_late_is_asked_again(laptop: LaptopEndpoints, run: Run, arguments: dict[str, Any]) -> None:
    laptop.busy = 1
    assert "failed" not in run("endpoint_check", **arguments)


def test_all_that_do_not_answer_are_named(run: Run, arguments: dict[str, Any], away: str) -> None:
    arguments["endpoints"][0]["url"] = f"{away}/ping"
    arguments["store"]["url"] = away
    refused = run("endpoint_check", **arguments)
    assert refused["msg"] == (
        f"metadata service: {away}/ping does not answer from here (Connection refused). "
        "Give the address that works from this machine. "
        f"object store: bucket 'metaflow' at {away} cannot be listed "
        f'(Could not connect to the endpoint URL: "{away}/metaflow?list-type=2&max-keys=1&encoding-type=url"). '
        "Give the address that works from this machine."
    )


@pytest.mark.parametrize("answer", [(404, b""), (200, b"<html>"), (200, b'{"status": "ok"}')])
def test_another_service_at_the_address_is_found_out(
    laptop: LaptopEndpoints, run: Run, arguments: dict[str, Any], answer: tuple[int, bytes]
) -> None:
    laptop.answers["/apis/v2beta1/healthz"] = answer
    assert run("endpoint_check", **arguments)["msg"].startswith(
        f"Kubeflow Pipelines: {laptop.url}/apis/v2beta1/healthz answers"
    )


HEALTH = "/apis/v2beta1/healthz"


@pytest.mark.parametrize(
    ("status", "location", "said"),
    [
        (
            302,
            "https://login.example.org/auth?state=secret",
            "answers 302 and sends on to https://login.example.org/auth",
        ),
        (303, "/oauth2/start?rd=secret", "answers 303 and sends on to /oauth2/start"),
        (401, "", "answers 401"),
        (403, "", "answers 403"),
    ],
)
def test_a_login_before_an_address_is_an_answer_where_one_may_stand_and_is_said(
    laptop: LaptopEndpoints, run: Run, arguments: dict[str, Any], status: int, location: str, said: str
) -> None:
    laptop.answers[HEALTH] = (status, b"<html>")
    laptop.locations[HEALTH] = location
    refused = run("endpoint_check", **arguments)
    assert refused["msg"] == (
        f"Kubeflow Pipelines: {laptop.url}{HEALTH} {said}. Give the address of the right service."
    )
    arguments["endpoints"][1]["behind_login"] = True
    laptop.asked.clear()
    heard = run("endpoint_check", **arguments)
    sentence = f"Kubeflow Pipelines: {laptop.url}{HEALTH} {said}: it wants a login. What is behind that was not asked."
    assert heard["logins"] == [sentence]
    assert sentence in str(heard["warnings"])
    assert "secret" not in str(heard)
    assert laptop.asked == ["/ping", HEALTH, "/metaflow"]


@pytest.mark.parametrize(
    ("status", "location"), [(301, "https://127.0.0.1{path}"), (308, "{path}/"), (302, ""), (404, ""), (200, "")]
)
def test_what_is_no_login_is_none_where_one_may_stand(
    laptop: LaptopEndpoints, run: Run, arguments: dict[str, Any], status: int, location: str
) -> None:
    laptop.answers[HEALTH] = (status, b"<html>")
    laptop.locations[HEALTH] = location.format(path=HEALTH)
    arguments["endpoints"][1]["behind_login"] = True
    assert run("endpoint_check", **arguments)["msg"].startswith(f"Kubeflow Pipelines: {laptop.url}{HEALTH} answers")


def test_a_key_that_the_store_refuses_is_named_by_its_file(
    laptop: LaptopEndpoints, run: Run, arguments: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    laptop.access_key = lambda: "another-key"
    # The file is what is tried, not what the environment happens to hold.
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "another-key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    refused = run("endpoint_check", **arguments)
    assert refused["msg"] == (
        f"object store: bucket 'metaflow' at {laptop.url} refuses the key in "
        f"{arguments['store']['credentials_file']} (AccessDenied). Look at the setup Jobs of the release."
    )
