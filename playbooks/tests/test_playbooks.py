"""The playbooks from an empty cluster on: ansible-playbook, helm, the chart and an API server are real."""

from __future__ import annotations

import json
import stat
import subprocess
from pathlib import Path

import pytest

from playbooks.tests.bare_kubernetes import GUEST
from playbooks.tests.played import Played
from playbooks.tests.world import GIVEN, LINK, World, look

pytestmark = [pytest.mark.server, pytest.mark.slow]


@pytest.fixture(scope="module")
def looked(world: World) -> Played:
    """The first look at an empty cluster."""
    return world.play("install", "--check", "--diff")


@pytest.fixture(scope="module")
def installed(world: World, looked: Played) -> Played:
    """The first installation, printing all it can."""
    return world.play("install", "--diff", "-vvv")


def test_a_first_look_at_an_empty_cluster_says_all_that_would_change_and_stores_nothing(
    world: World, looked: Played
) -> None:
    assert (looked.code, looked.changed) == (0, 9), looked.printed
    assert world.bare.look("Namespace", None, "tributary") is None
    assert world.bare.look("Secret", "kubeflow", "tributary-steps") is None
    assert not world.client.exists()
    assert "METAFLOW_S3_ENDPOINT_URL" in looked.printed


def test_installing_changes_what_the_look_announced(world: World, looked: Played, installed: Played) -> None:
    assert (installed.code, installed.changed) == (0, looked.changed), installed.printed
    namespace = world.bare.look("Namespace", None, "tributary")
    assert namespace is not None
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    assert (world.secret("tributary-database") or {})["password"] == GIVEN


def test_a_second_run_changes_nothing_and_neither_prints_a_secret(world: World, installed: Played) -> None:
    again = world.play("install", "--diff", "-vvv")
    assert (again.code, again.changed) == (0, 0), again.printed
    values = world.values()
    assert len(values) == 10
    assert [value for value in values if value in installed.printed + again.printed] == []


def test_the_steps_get_a_config_of_addresses_in_the_cluster_and_only_the_limited_key(
    world: World, installed: Played
) -> None:
    limited = world.secret("tributary-object-store-metaflow") or {}
    assert world.secret("tributary-steps", "kubeflow") == {
        "AWS_ACCESS_KEY_ID": limited["access-key"],
        "AWS_SECRET_ACCESS_KEY": limited["secret-key"],
    }
    config_map = world.bare.look("ConfigMap", "kubeflow", "tributary-steps")
    assert config_map is not None
    assert json.loads(config_map["data"]["config.json"]) == {
        "METAFLOW_DEFAULT_METADATA": "service",
        "METAFLOW_DEFAULT_DATASTORE": "s3",
        "METAFLOW_SERVICE_URL": "http://tributary-metadata-service.tributary.svc:8080",
        "METAFLOW_SERVICE_INTERNAL_URL": "http://tributary-metadata-service.tributary.svc:8080",
        "METAFLOW_SERVICE_RETRY_COUNT": 8,
        "METAFLOW_DATASTORE_SYSROOT_S3": "s3://metaflow/metaflow",
        "METAFLOW_S3_ENDPOINT_URL": "http://tributary-object-store.tributary.svc:9000",
    }


def test_the_laptop_gets_a_config_of_addresses_that_work_there(world: World, installed: Played) -> None:
    config = json.loads((world.client / "config.json").read_text())
    assert config["METAFLOW_SERVICE_URL"] == config["METAFLOW_S3_ENDPOINT_URL"] == world.laptop.url
    assert config["METAFLOW_KUBEFLOW_PIPELINES_URL"] == world.laptop.url
    assert config["METAFLOW_UI_URL"] == f"{world.laptop.url}/metaflow-ui"
    assert config["METAFLOW_KUBERNETES_CONTAINER_IMAGE"] == "localhost/tributary/taskbase:0123456789ab"
    assert stat.S_IMODE((world.client / "credentials").stat().st_mode) == 0o600
    script = f". {world.client / 'env.sh'} && env"
    told = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True).stdout
    assert f"METAFLOW_HOME={world.client}\n" in told
    assert f"AWS_SHARED_CREDENTIALS_FILE={world.client / 'credentials'}\n" in told


@pytest.mark.parametrize(("group", "resource"), [("", "services"), ("batch", "jobs"), ("jobset.x-k8s.io", "jobsets")])
def test_steps_may_make_the_gang_of_a_parallel_step(world: World, installed: Played, group: str, resource: str) -> None:
    role = look(world, "Role")
    assert role is not None
    verbs = {
        verb
        for rule in role["rules"]
        if group in rule["apiGroups"] and resource in rule["resources"]
        for verb in rule["verbs"]
    }
    assert verbs == {"get", "list", "create", "delete"}


def test_a_look_at_what_is_installed_finds_nothing_to_change(world: World, installed: Played) -> None:
    looked = world.play("install", "--check", "--diff")
    assert (looked.code, looked.changed) == (0, 0), looked.printed


def test_the_link_and_the_laptop_follow_a_key_that_was_changed(world: World, installed: Played) -> None:
    found = world.bare.look("Secret", "tributary", "tributary-object-store-metaflow")
    assert found is not None
    world.bare.put({**found, "data": {"access-key": "YW5vdGhlci1rZXk=", "secret-key": "YW5vdGhlci1zZWNyZXQ="}})
    followed = world.play("install")
    assert (followed.code, followed.changed) == (0, 2), followed.printed
    assert (world.secret("tributary-steps", "kubeflow") or {})["AWS_SECRET_ACCESS_KEY"] == "another-secret"
    assert "another-secret" in (world.client / "credentials").read_text()


def test_all_that_stands_in_the_way_is_said_at_once_before_anything_is_changed(world: World, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("database: {hots: a}\n")
    files = [*world.variables["tributary_values_files"], str(tmp_path / "mine.yaml")]
    refused = world.play(
        "install",
        tributary_release="a" * 54,
        tributary_values_files=files,
        tributary_kubeflow_namespace="default",
        tributary_client_kubeflow_pipelines_url="localhost",
    )
    assert (refused.code, refused.changed) == (2, 0)
    assert "Traceback" not in refused.printed
    assert refused.failure.splitlines() == [
        f"Release '{'a' * 54}': 54 characters are too many, Helm allows 53. Set tributary_release to a shorter name.",
        "Values at '/database': additional properties 'hots' not allowed. Correct the values file.",
        "Namespace 'default': has no Service 'ml-pipeline'. "
        "Install Kubeflow Pipelines there, or set tributary_kubeflow_namespace.",
        "tributary_client_kubeflow_pipelines_url: not an http address. Set it to one that works from this machine.",
    ]


def test_who_cannot_give_on_what_steps_may_do_is_told_before_anything_is_made(
    world: World, installed: Played, tmp_path: Path
) -> None:
    rbac = "rbac.authorization.k8s.io"
    groups = ["", "apps", "batch", "networking.k8s.io", "policy", "storage.k8s.io"]
    # Not all verbs on Roles: to escalate and to bind are among them.
    all_but_jobsets = [
        {"apiGroups": groups, "resources": ["*"], "verbs": ["*"]},
        {"apiGroups": [rbac], "resources": ["*"], "verbs": ["get", "list", "create", "patch", "update", "delete"]},
    ]
    role = {"apiVersion": f"{rbac}/v1", "kind": "ClusterRole", "metadata": {"name": GUEST}, "rules": all_but_jobsets}
    world.bare.put(role)
    given = {"roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": GUEST}}
    to = {"subjects": [{"apiGroup": rbac, "kind": "User", "name": GUEST}]}
    world.bare.put(
        {"apiVersion": f"{rbac}/v1", "kind": "ClusterRoleBinding", "metadata": {"name": GUEST}, **given, **to}
    )
    guest = {"tributary_kubeconfig": world.bare.kubeconfig_of_guest(tmp_path), "tributary_context": GUEST}
    refused = world.play("install", **guest)
    assert (refused.code, refused.changed) == (2, 0)
    assert refused.failure == (
        "Namespace 'kubeflow': you may not get/list/create/delete jobsets.jobset.x-k8s.io. "
        "Have these rights given to you there."
    )


def test_a_release_whose_names_beside_kubeflow_another_has_is_refused_and_taken_out_without_harm_to_that(
    world: World, installed: Played, tmp_path: Path
) -> None:
    second = {"tributary_release": "b", "tributary_namespace": "b", "tributary_client_dir": str(tmp_path)}
    taken = {**second, "tributary_steps_name": "tributary-steps"}
    refused = world.play("install", **taken)
    assert (refused.code, refused.changed) == (2, 0)
    assert refused.failure == (
        "Namespace 'kubeflow': RoleBinding, Role, ConfigMap, Secret 'tributary-steps' of release 'tributary' "
        "in namespace 'tributary' is there. Set tributary_steps_name to another name."
    )
    gone = world.play("uninstall", **taken)
    assert (gone.code, gone.changed) == (0, 0), gone.printed
    lacks = "it lacks app.kubernetes.io/managed-by=tributary, app.kubernetes.io/instance=b"
    assert f"Secret kubeflow/tributary-steps: is not ours, {lacks}. It stays." in gone.said
    assert [kind for kind in LINK if look(world, kind) is None] == []
    # A name of its own is what it has unless somebody says another.
    assert "RoleBinding b-steps" in world.play("uninstall", **second).said


def test_a_release_of_the_same_name_in_another_namespace_is_refused_and_taken_out_without_harm_to_the_first(
    world: World, installed: Played, tmp_path: Path
) -> None:
    second = {"tributary_namespace": "second", "tributary_client_dir": str(tmp_path)}
    refused = world.play("install", **second)
    assert (refused.code, refused.changed) == (2, 0)
    assert refused.failure == (
        "Namespace 'kubeflow': RoleBinding, Role, ConfigMap, Secret 'tributary-steps' of release 'tributary' "
        "in namespace 'tributary' is there. Set tributary_release to another name."
    )
    gone = world.play("uninstall", **second)
    assert (gone.code, gone.changed) == (0, 0), gone.printed
    assert "Secret kubeflow/tributary-steps: is not ours, it is of a release in namespace 'tributary'" in gone.said
    assert [kind for kind in LINK if look(world, kind) is None] == []


@pytest.mark.parametrize("playbook", ["install", "uninstall"])
def test_a_context_that_does_not_exist_is_said(world: World, playbook: str) -> None:
    refused = world.play(playbook, tributary_context="kind-other")
    assert (refused.code, refused.changed) == (2, 0)
    assert refused.failure == f"{world.bare.kubeconfig}: has no context 'kind-other'. It has 'bare'."


def test_an_address_that_does_not_answer_is_named(world: World, installed: Played) -> None:
    pong = world.laptop.answers.pop("/ping")
    refused = world.play("install", client_config_attempts=1)
    world.laptop.answers["/ping"] = pong
    assert refused.code == 2
    assert refused.failure.startswith(f"metadata service: {world.laptop.url}/ping answers 404.")


def test_kubeflow_and_the_ui_may_stand_behind_a_login(world: World, installed: Played) -> None:
    health, ping = "/pipeline/apis/v2beta1/healthz", "/metaflow-ui/api/ping"
    world.laptop.answers |= {health: (302, b""), ping: (403, b"")}
    world.laptop.locations[health] = "https://login.example.org/auth"
    behind = world.play(
        "install",
        tributary_client_kubeflow_pipelines_url=f"{world.laptop.url}/pipeline",
        client_config_attempts=1,
    )
    world.laptop.answers[ping] = (200, b"pong")
    assert behind.code == 0, behind.printed
    said = "{}: it wants a login. What is behind that was not asked."
    sent_on = f"{world.laptop.url}{health} answers 302 and sends on to https://login.example.org/auth"
    assert said.format(f"Kubeflow Pipelines: {sent_on}") in behind.said
    assert said.format(f"UI: {world.laptop.url}{ping} answers 403") in behind.said
