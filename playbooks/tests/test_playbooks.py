"""The playbooks from one end to the other: ansible-playbook, helm, the chart and an API server are real.

The API server lacks controllers and nodes: a thread reports every workload ready, and one small server stands for all
that answers on a laptop.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from playbooks.tests.bare_kubernetes import BareKubernetes
from playbooks.tests.conftest import PLAYBOOKS
from playbooks.tests.laptop_endpoints import LaptopEndpoints
from playbooks.tests.played import Played

pytestmark = [pytest.mark.server, pytest.mark.slow]

GIVEN = "a-given-password-that-nobody-may-see"
IMAGES = {
    component: {"image": {"repository": f"localhost/tributary/{component.lower()}", "tag": "0123456789ab"}}
    for component in ("database", "objectStore", "metadataService", "ui", "setup", "taskBase", "taskDemo")
}
LINK = ("Secret", "ConfigMap", "Role", "RoleBinding")
SECRETS = ("tributary-database", "tributary-object-store-root", "tributary-object-store-metaflow")
WHEN = "2026-01-01T00:00:00Z"


class World:
    """A cluster with Kubeflow Pipelines in it, a laptop beside it, and the variables that name both."""

    def __init__(self, bare: BareKubernetes, laptop: LaptopEndpoints, helm: str, folder: Path) -> None:
        self.bare = bare
        self.laptop = laptop
        self.client = folder / "client"
        self._folder = folder
        (folder / "images.yaml").write_text(yaml.safe_dump(IMAGES))
        self.variables: dict[str, Any] = {
            "tributary_kubeconfig": bare.kubeconfig,
            "tributary_context": bare.context,
            "tributary_namespace": "tributary",
            "tributary_profile": "kind",
            "tributary_values_files": [str(folder / "images.yaml")],
            "tributary_helm": helm,
            "tributary_timeout": 60,
            "tributary_client_dir": str(self.client),
            "tributary_client_metadata_service_url": laptop.url,
            "tributary_client_object_store_url": laptop.url,
            "tributary_client_kubeflow_pipelines_url": laptop.url,
            "tributary_client_ui_url": f"{laptop.url}/metaflow-ui",
            "tributary_database_password": GIVEN,
        }

    def play(self, playbook: str, *words: str, **variables: Any) -> Played:
        """Run a playbook as a user does."""
        file = self._folder / "variables.json"
        file.write_text(json.dumps({**self.variables, **variables}))
        settings = {"ANSIBLE_CONFIG": str(PLAYBOOKS / "ansible.cfg"), "ANSIBLE_HOME": str(self._folder / "ansible")}
        program = Path(sys.executable).parent / "ansible-playbook"
        done = subprocess.run(
            [str(program), f"{playbook}.yml", "--extra-vars", f"@{file}", *words],
            cwd=PLAYBOOKS,
            env={**os.environ, **settings, "ANSIBLE_NOCOLOR": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        return Played(done.returncode, done.stdout + done.stderr)

    def secret(self, name: str, namespace: str = "tributary") -> dict[str, str] | None:
        found = self.bare.look("Secret", namespace, name)
        return found and {key: base64.b64decode(value).decode() for key, value in found["data"].items()}

    def values(self) -> list[str]:
        """Every secret value there is, as text and as the API writes it."""
        found = [self.secret(name) or {} for name in SECRETS]
        plain = [value for secret in found for key, value in secret.items() if key != "username"]
        return plain + [base64.b64encode(value.encode()).decode() for value in plain]


@contextlib.contextmanager
def controllers(bare: BareKubernetes) -> Iterator[None]:
    """Report every workload ready and let deleted namespaces go, as the controllers of a whole cluster do."""
    over = threading.Event()

    def work() -> None:
        api = bare.api
        while not over.wait(0.3):
            for version, kind in (("apps/v1", "Deployment"), ("apps/v1", "StatefulSet"), ("batch/v1", "Job")):
                for found in api.find(version, kind, None):
                    path = api.kind(version, kind).path(found["metadata"]["namespace"], found["metadata"]["name"])
                    ready = ready_job() if kind == "Job" else ready_pods(found)
                    if not ready.items() <= found.get("status", {}).items():
                        found["status"] = ready
                        api.ask("PUT", f"{path}/status", body=found)
            for found in api.find("v1", "Namespace", None):
                if "deletionTimestamp" in found["metadata"]:
                    found["spec"]["finalizers"] = []
                    api.ask("PUT", f"/api/v1/namespaces/{found['metadata']['name']}/finalize", body=found)

    thread = threading.Thread(target=work)
    thread.start()
    yield
    over.set()
    thread.join()


def ready_pods(found: dict[str, Any]) -> dict[str, Any]:
    counts = dict.fromkeys(("replicas", "updatedReplicas", "readyReplicas"), found["spec"]["replicas"])
    return {"observedGeneration": found["metadata"]["generation"], **counts}


def ready_job() -> dict[str, Any]:
    conditions = [
        {"type": kind, "status": "True", "lastTransitionTime": WHEN} for kind in ("SuccessCriteriaMet", "Complete")
    ]
    return {"succeeded": 1, "startTime": WHEN, "completionTime": WHEN, "conditions": conditions}


def own_address() -> str:
    """An address of this machine that is not the loopback one, to which an API server passes nothing on."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("this machine has no address but the loopback one")
        return str(probe.getsockname()[0])


def put_kubeflow(bare: BareKubernetes, port: int) -> None:
    """Kubeflow Pipelines as the API server sees it: a Service whose pod answers at an address of this machine."""
    address = own_address()
    bare.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kubeflow"}})
    for kind, name, rest in (
        ("ServiceAccount", "pipeline-runner", {}),
        ("Service", "ml-pipeline", {"spec": {"ports": [{"name": "http", "port": 8888}]}}),
        ("Pod", "ml-pipeline", {"spec": {"containers": [{"name": "api", "image": "api"}]}}),
    ):
        bare.put({"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": "kubeflow"}, **rest})
    path = "/api/v1/namespaces/kubeflow/pods/ml-pipeline"
    pod = bare.api.ask("GET", path).json()
    pod["status"] = {"podIP": address, "podIPs": [{"ip": address}]}
    assert bare.api.ask("PUT", f"{path}/status", body=pod).status == 200
    target = {"kind": "Pod", "name": "ml-pipeline", "namespace": "kubeflow"}
    subset = {"addresses": [{"ip": address, "targetRef": target}], "ports": [{"name": "http", "port": port}]}
    metadata = {"name": "ml-pipeline", "namespace": "kubeflow"}
    bare.put({"apiVersion": "v1", "kind": "Endpoints", "metadata": metadata, "subsets": [subset]})
    default = {"name": "standard", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}}
    storage = {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": default}
    bare.put({**storage, "provisioner": "example.org/none"})


@pytest.fixture(scope="module")
def world(bare: BareKubernetes, helm: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with LaptopEndpoints() as laptop, controllers(bare):
        put_kubeflow(bare, laptop.port)
        found = World(bare, laptop, helm, tmp_path_factory.mktemp("world"))
        laptop.access_key = lambda: (found.secret("tributary-object-store-metaflow") or {}).get("access-key")
        yield found


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


def test_uninstalling_with_the_data_leaves_nothing_of_ours(world: World, installed: Played) -> None:
    looked = world.play("uninstall", "--check", tributary_uninstall_keep_data=False)
    gone = world.play("uninstall", tributary_uninstall_keep_data=False)
    assert (gone.code, gone.changed) == (0, looked.changed), gone.printed
    assert [world.secret(name) for name in (*SECRETS, "tributary-metadata-service-client")] == [None] * 4
    assert world.bare.look("Namespace", None, "tributary") is None
    assert world.bare.look("ServiceAccount", "kubeflow", "pipeline-runner") is not None


def look(world: World, kind: str) -> dict[str, Any] | None:
    version = "rbac.authorization.k8s.io/v1" if kind.startswith("Role") else "v1"
    return world.bare.api.get(version, kind, "kubeflow", "tributary-steps")
