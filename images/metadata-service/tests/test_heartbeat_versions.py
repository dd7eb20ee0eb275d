"""A run looks alive from its creation only if its client will send heartbeats."""

from __future__ import annotations

import pytest

from metadata_service.domain.heartbeats import client_sends_heartbeats

SENDING = [
    "1.14.0",
    "1.22.1",
    "2.2.12",
    "2.2.12+ab1234",
    "2.3",
    "2.19.39",
    "2.12.24.post9-git2a5367b+ob(v1)",
    "3",
    "own",
]
SILENT = ["0.5", "1", "1.13", "2", "2.0", "2.0.5", "2.2.11", ""]


@pytest.mark.parametrize("version", SENDING)
def test_versions_that_send(version: str) -> None:
    assert client_sends_heartbeats(["runtime:dev", f"metaflow_version:{version}"])


@pytest.mark.parametrize("version", SILENT)
def test_versions_that_do_not(version: str) -> None:
    assert not client_sends_heartbeats([f"metaflow_version:{version}"])


def test_no_version_is_not_taken_for_one() -> None:
    assert not client_sends_heartbeats(None)
    assert not client_sends_heartbeats(["2.19.39"])


def test_an_absurd_version_is_no_error() -> None:
    assert client_sends_heartbeats(["metaflow_version:" + "9" * 10_000])
