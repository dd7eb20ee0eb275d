"""A cluster of an API server alone, with Kubeflow Pipelines in it, a laptop beside it, and what plays the playbooks.

A thread reports every workload ready, for there are no controllers and nodes, and one small server stands for all that
answers on a laptop.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from playbooks.tests.bare_kubernetes import BareKubernetes
from playbooks.tests.laptop_endpoints import LaptopEndpoints
from playbooks.tests.played import Played

PLAYBOOKS = Path(__file__).parents[1]
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
            pytest.fail(
                "this machine has no address but the loopback one; a Kubernetes API server passes nothing on to that"
            )
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


def look(world: World, kind: str) -> dict[str, Any] | None:
    """What links the steps to the platform, of one kind."""
    version = "rbac.authorization.k8s.io/v1" if kind.startswith("Role") else "v1"
    return world.bare.api.get(version, kind, "kubeflow", "tributary-steps")


@contextlib.contextmanager
def new_world(bare: BareKubernetes, helm: str, folder: Path) -> Iterator[World]:
    with LaptopEndpoints() as laptop, controllers(bare):
        put_kubeflow(bare, laptop.port)
        found = World(bare, laptop, helm, folder)
        laptop.access_key = lambda: (found.secret("tributary-object-store-metaflow") or {}).get("access-key")
        yield found
