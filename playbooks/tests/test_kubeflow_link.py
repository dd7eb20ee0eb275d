"""The link of a release that an earlier version made, under the one name that every release's link had then."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from playbooks.tests.conftest import PLAYBOOKS
from playbooks.tests.fake_kubernetes import FakeKubernetes
from playbooks.tests.played import Played
from playbooks.tests.world import LINK

pytestmark = pytest.mark.slow

FACTS = {
    "namespace": "mine",
    "object-store-secret": "key",
    "metadata-service-client-secret": "",
    "metadata-service-url": "http://metadata",
    "datastore-root": "s3://metaflow/metaflow",
    "object-store-url": "http://store",
}


class Role:
    """Plays one entry of the role for a release `mine` on the small server, with Kubeflow's namespace in it."""

    def __init__(self, fake: FakeKubernetes, folder: Path) -> None:
        self.fake = fake
        self._folder = folder
        for name in ("kubeflow", "mine"):
            fake.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        key = {"access-key": "YQ==", "secret-key": "Yg=="}
        metadata = {"name": "key", "namespace": "mine"}
        fake.put({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": key})

    def put_earlier(self, release: str) -> None:
        """What an earlier version made for a release."""
        labels = {"app.kubernetes.io/managed-by": "tributary", "app.kubernetes.io/instance": release}
        for kind in LINK:
            version = "rbac.authorization.k8s.io/v1" if kind.startswith("Role") else "v1"
            metadata = {"name": "tributary-steps", "namespace": "kubeflow", "labels": labels}
            self.fake.put({"apiVersion": version, "kind": kind, "metadata": metadata})

    def there(self, name: str) -> list[str]:
        """The kinds of which there is one of that name beside Kubeflow."""
        return [kind for kind in LINK if self.fake.look(kind, "kubeflow", name)]

    def play(self, entry: str, **variables: str) -> Played:
        given: dict[str, Any] = {
            "tributary_kubeconfig": self.fake.kubeconfig,
            "tributary_context": self.fake.context,
            "tributary_release": "mine",
            "tributary_namespace": "mine",
            "kubeflow_link_facts": FACTS,
            **variables,
        }
        role = {"ansible.builtin.import_role": {"name": "kubeflow_link", "tasks_from": entry}}
        play = {"hosts": "localhost", "gather_facts": False, "vars_files": [str(PLAYBOOKS / "group_vars" / "all.yml")]}
        (self._folder / "role.yml").write_text(yaml.safe_dump([{**play, "tasks": [role]}]))
        settings = {"ANSIBLE_CONFIG": str(PLAYBOOKS / "ansible.cfg"), "ANSIBLE_HOME": str(self._folder / "ansible")}
        done = subprocess.run(
            [str(Path(sys.executable).parent / "ansible-playbook"), "role.yml", "--extra-vars", json.dumps(given)],
            cwd=self._folder,
            env={**os.environ, **settings, "ANSIBLE_NOCOLOR": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        return Played(done.returncode, done.stdout + done.stderr)


@pytest.fixture
def role(fake: FakeKubernetes, tmp_path: Path) -> Role:
    return Role(fake, tmp_path)


def test_it_stays_for_the_flows_that_name_it_which_is_said_and_goes_at_uninstall(role: Role) -> None:
    role.put_earlier("mine")
    put_in = [role.play("main") for _ in range(2)]
    assert [(played.code, played.changed) for played in put_in] == [(0, 2), (0, 0)], put_in[0].printed
    assert (role.there("mine-steps"), role.there("tributary-steps")) == ([*LINK], [*LINK])
    for played in put_in:
        assert "RoleBinding, Role, ConfigMap, Secret tributary-steps in namespace kubeflow" in played.said
        assert "Deploy those again" in played.said
    gone = role.play("absent")
    assert (gone.code, gone.changed) == (0, 2), gone.printed
    assert (role.there("mine-steps"), role.there("tributary-steps")) == ([], [])
    again = role.play("absent")
    assert (again.code, again.changed) == (0, 0), again.printed


def test_one_of_another_release_stays_without_a_word(role: Role) -> None:
    role.put_earlier("tributary")
    for entry, changed in (("main", 2), ("absent", 1)):
        played = role.play(entry)
        assert (played.code, played.changed) == (0, changed), played.printed
        assert "tributary-steps in namespace" not in played.said
        assert "WARNING" not in played.said
    assert role.there("tributary-steps") == [*LINK]


def test_one_whose_name_is_still_in_use_is_no_earlier_one(role: Role) -> None:
    role.put_earlier("mine")
    put_in = role.play("main", tributary_steps_name="tributary-steps")
    assert (put_in.code, put_in.changed) == (0, 2), put_in.printed
    assert "Deploy those again" not in put_in.said
    found = role.fake.look("Role", "kubeflow", "tributary-steps") or {}
    assert found["metadata"]["annotations"] == {"tributary/release-namespace": "mine"}
    again = role.play("main", tributary_steps_name="tributary-steps")
    assert (again.code, again.changed) == (0, 0), again.printed
