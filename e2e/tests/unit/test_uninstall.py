"""`make uninstall` beside the playbook that it runs, which playbooks/ tests."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import installer.__main__ as installer
from cluster import forward
from cluster.settings import Settings
from installer import playbooks, tools

Played = list[tuple[str, dict[str, Any]]]


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> Played:
    """The playbooks that were run, with their variables; nothing else is called."""
    found: Played = []
    monkeypatch.setattr(playbooks, "run", lambda _settings, name, given: found.append((name, dict(given))))
    monkeypatch.setattr(tools, "helm", lambda _settings: Path("helm"))
    monkeypatch.setattr(installer, "command", lambda *_words, **_more: None)
    return found


@pytest.mark.parametrize("delete_data", [False, True])
def test_the_data_go_only_when_that_is_said(settings: Settings, played: Played, delete_data: bool) -> None:
    installer.uninstall(replace(settings, context="mine"), delete_data=delete_data)
    ((name, given),) = played
    assert (name, given["tributary_uninstall_keep_data"]) == ("uninstall", not delete_data)


def test_the_port_forwards_of_a_platform_that_is_gone_end(
    settings: Settings, played: Played, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended: list[Settings] = []
    monkeypatch.setattr(forward, "stop", lambda given, _say: ended.append(given))
    ours = replace(settings, context="mine")
    installer.uninstall(ours, delete_data=False)
    assert [name for name, _given in played] == ["uninstall"]
    assert ended == [ours]


def test_without_a_cluster_there_is_nothing_to_take_out(
    settings: Settings, played: Played, capsys: pytest.CaptureFixture[str]
) -> None:
    installer.uninstall(settings, delete_data=True)
    assert capsys.readouterr().out == "There is no cluster 'nowhere'; nothing to take out.\n"
    assert played == []
