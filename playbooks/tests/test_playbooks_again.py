"""The playbooks on what is installed already, with other values, and what is left when they uninstall."""

from __future__ import annotations

import base64
import json
import stat
from pathlib import Path

import pytest

from playbooks.tests.played import Played
from playbooks.tests.world import LINK, SECRETS, World, look

pytestmark = [pytest.mark.server, pytest.mark.slow]


@pytest.fixture(scope="module")
def installed(world: World) -> Played:
    return world.play("install")


def test_steps_and_laptop_get_the_token_that_the_service_asks_for(
    world: World, installed: Played, tmp_path: Path
) -> None:
    (tmp_path / "tokens.yaml").write_text("metadataService: {auth: {tokens: true}}\n")
    files = [*world.variables["tributary_values_files"], str(tmp_path / "tokens.yaml")]
    looked = world.play("install", "--check", "--diff", "-vvv", tributary_values_files=files)
    guarded = world.play("install", "--diff", "-vvv", tributary_values_files=files)
    # The Secret, the release, the steps' Secret and the laptop's config.
    assert (guarded.code, looked.changed, guarded.changed) == (0, 4, 4), guarded.printed
    token = (world.secret("tributary-metadata-service-client") or {})["token"]
    assert (world.secret("tributary-steps", "kubeflow") or {})["METAFLOW_SERVICE_AUTH_KEY"] == token
    config = world.client / "config.json"
    assert json.loads(config.read_text())["METAFLOW_SERVICE_AUTH_KEY"] == token
    assert stat.S_IMODE(config.stat().st_mode) == 0o600
    again = world.play("install", "--diff", "-vvv", tributary_values_files=files)
    assert (again.code, again.changed) == (0, 0), again.printed
    hidden = (token, base64.b64encode(token.encode()).decode())
    assert not any(value in played.printed for value in hidden for played in (looked, guarded, again))
    # Without tokens neither keeps it; the Secret stays, as all do.
    opened = world.play("install")
    assert (opened.code, opened.changed) == (0, 3), opened.printed
    assert "METAFLOW_SERVICE_AUTH_KEY" not in (world.secret("tributary-steps", "kubeflow") or {})
    assert "METAFLOW_SERVICE_AUTH_KEY" not in config.read_text()


def test_without_a_ui_this_machine_is_told_of_none(world: World, installed: Played, tmp_path: Path) -> None:
    (tmp_path / "without.yaml").write_text("ui: {enabled: false}\n")
    files = [*world.variables["tributary_values_files"], str(tmp_path / "without.yaml")]
    without = world.play("install", tributary_values_files=files)
    # The release and the config.
    assert (without.code, without.changed) == (0, 2), without.printed
    assert world.bare.look("Service", "tributary", "tributary-ui") is None
    assert "METAFLOW_UI_URL" not in json.loads((world.client / "config.json").read_text())
    back = world.play("install")
    assert (back.code, back.changed) == (0, 2), back.printed
    assert world.bare.look("Service", "tributary", "tributary-ui") is not None


def test_uninstalling_keeps_what_was_recorded_and_a_new_installation_takes_it_up(
    world: World, installed: Played
) -> None:
    before = [world.secret(name) for name in SECRETS]
    looked = world.play("uninstall", "--check")
    assert world.bare.look("ConfigMap", "tributary", "tributary-facts") is not None
    gone = world.play("uninstall")
    assert (gone.code, gone.changed) == (0, looked.changed), gone.printed
    assert world.bare.look("ConfigMap", "tributary", "tributary-facts") is None
    assert [kind for kind in LINK if look(world, kind)] == []
    assert not (world.client / "credentials").exists()
    assert [world.secret(name) for name in SECRETS] == before
    again = world.play("uninstall")
    assert (again.code, again.changed) == (0, 0), again.printed
    back = world.play("install")
    assert back.code == 0, back.printed
    assert [world.secret(name) for name in SECRETS] == before


def test_uninstalling_with_the_data_leaves_nothing_of_ours_and_all_of_others(world: World, installed: Played) -> None:
    theirs = {"name": "theirs", "namespace": "tributary", "labels": {"app.kubernetes.io/instance": "b"}}
    world.bare.put({"apiVersion": "v1", "kind": "Secret", "metadata": theirs})
    looked = world.play("uninstall", "--check", tributary_uninstall_keep_data=False)
    gone = world.play("uninstall", tributary_uninstall_keep_data=False)
    assert (gone.code, gone.changed) == (0, looked.changed), gone.printed
    assert [world.secret(name) for name in (*SECRETS, "tributary-metadata-service-client")] == [None] * 4
    assert world.bare.look("Secret", "tributary", "theirs") is not None
    for played in (looked, gone):
        assert "belongs to release 'tributary': Secret tributary/theirs. Delete it yourself" in played.said
    world.bare.api.delete({"apiVersion": "v1", "kind": "Secret", "metadata": theirs})
    alone = world.play("uninstall", tributary_uninstall_keep_data=False)
    assert (alone.code, alone.changed) == (0, 1), alone.printed
    assert world.bare.look("Namespace", None, "tributary") is None
    assert world.bare.look("ServiceAccount", "kubeflow", "pipeline-runner") is not None
