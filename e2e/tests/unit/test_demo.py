"""What `make install` ends with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cluster.settings import Settings
from installer import demo

FOUND = demo.DemoRun("kfp-1", "SUCCEEDED", {"start": 1, "end": 1}, "99 % right")
CONFIG = {
    "METAFLOW_SERVICE_URL": "http://127.0.0.1:20000",
    "METAFLOW_S3_ENDPOINT_URL": "http://127.0.0.1:20001",
    "METAFLOW_KUBEFLOW_PIPELINES_URL": "http://127.0.0.1:20002",
}


@pytest.fixture
def client(settings: Settings) -> Path:
    """The laptop's folder, with the names of the images beside it."""
    settings.client.mkdir(parents=True)
    settings.images.write_text("taskDemo: {image: {repository: localhost/tributary/task-demo, tag: '012345'}}")
    return settings.client


def test_every_address_is_shown_and_the_page_of_the_run(settings: Settings, client: Path) -> None:
    (client / "config.json").write_text(json.dumps({**CONFIG, "METAFLOW_UI_URL": "http://127.0.0.1:20003"}))
    shown = demo.show(settings, FOUND, again=False)
    assert [line.split()[-1] for line in shown.split("Addresses:\n")[1].split("\n\n")[0].splitlines()] == [
        *CONFIG.values(),
        "http://127.0.0.1:20003",
    ]
    assert shown.splitlines()[-1] == "Look at this run: http://127.0.0.1:20003/DigitsFlow/kfp-1"


def test_the_shell_is_configured_for_this_very_cluster(settings: Settings, client: Path) -> None:
    (client / "config.json").write_text(json.dumps(CONFIG))
    line = f'  eval "$(make env CLUSTER=nowhere CACHE={settings.cache})"'
    assert line in demo.show(settings, FOUND, again=True).splitlines()


def test_without_a_ui_none_is_shown(settings: Settings, client: Path) -> None:
    (client / "config.json").write_text(json.dumps(CONFIG))
    assert "UI" not in demo.show(settings, FOUND, again=True)
