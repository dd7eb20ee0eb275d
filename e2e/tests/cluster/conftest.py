"""What the cluster tests stand on. They install nothing: they find what `make install` left."""

from __future__ import annotations

import configparser
import json
import os
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cluster.kubectl import Kubectl
from cluster.providers import provider_of
from cluster.settings import Settings
from installer import demo
from laptop.gate import Gate
from laptop.shell import USER, Laptop, exports

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="session")
def settings() -> Settings:
    return Settings.from_environ()


@pytest.fixture(scope="session")
def kubectl(settings: Settings) -> Kubectl:
    """The harness's own kubectl, for the cluster under test."""
    return Kubectl.of(settings, provider_of(settings).kubectl())


@pytest.fixture(scope="session")
def laptop(settings: Settings) -> Laptop:
    """A shell that is configured as the playbooks leave it."""
    client = settings.client
    if not (client / "env.sh").is_file():
        pytest.fail(f"{client / 'env.sh'} is missing. Run `{settings.make('install')}` first.")
    return Laptop(client)


@pytest.fixture(scope="session")
def facts(laptop: Laptop) -> dict[str, str]:
    """The client's Metaflow config as a mapping."""
    found: dict[str, str] = json.loads((laptop.client / "config.json").read_text())
    return found


@pytest.fixture(scope="session")
def metaflow(laptop: Laptop, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The stock Metaflow client in this process, with no namespace, configured as the laptop is.

    Metaflow reads its config when it is imported, so nothing in this process may have imported it before.
    """
    if "metaflow" in sys.modules:
        pytest.fail("metaflow was imported before the client was configured. Run the cluster tests by themselves.")
    # What it reads of the store it puts into the working folder else, which is the repository's.
    scratch = str(tmp_path_factory.mktemp("metaflow"))
    os.environ.update(exports(laptop.client / "env.sh") | {"METAFLOW_USER": USER, "METAFLOW_TEMPDIR": scratch})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Metaflow's own vendored packages
        import metaflow

    metaflow.namespace(None)
    return metaflow


@pytest.fixture(scope="session")
def kubernetes_api(settings: Settings) -> Any:
    """kubernetes.client.CoreV1Api of the cluster under test."""
    from kubernetes import client, config

    config.load_kube_config(config_file=str(settings.kubeconfig))
    return client.CoreV1Api()


@pytest.fixture(scope="session")
def kubeflow(facts: dict[str, str]) -> Any:
    """Kubeflow's own client. It warns of itself each time it is made."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import kfp

        return kfp.Client(host=facts["METAFLOW_KUBEFLOW_PIPELINES_URL"])


@pytest.fixture(scope="session")
def store(laptop: Laptop, facts: dict[str, str]) -> Any:
    """A boto3 client of the object store with the laptop's own key."""
    import boto3

    keys = _credentials(laptop.client / "credentials")
    session = boto3.Session(keys["aws_access_key_id"], keys["aws_secret_access_key"], region_name="us-east-1")
    return session.client("s3", endpoint_url=facts["METAFLOW_S3_ENDPOINT_URL"])


@pytest.fixture(scope="session")
def demo_run(settings: Settings, laptop: Laptop) -> demo.DemoRun:
    """The demo's run, which `make install` has left."""
    found = demo.find(laptop, demo.code_tag(settings))
    if found is None:
        pytest.fail(f"The demo has not run with this code. Run `{settings.make('install')}` first.")
    return found


@pytest.fixture(scope="session")
def new_gate(store: Any, facts: dict[str, str]) -> Callable[[], Gate]:
    """Makes a gate of its own each time."""
    bucket = facts["METAFLOW_DATASTORE_SYSROOT_S3"].removeprefix("s3://").split("/")[0]
    return lambda: Gate(store, bucket)


@pytest.fixture
def gate(new_gate: Callable[[], Gate]) -> Gate:
    """A gate of this test's own."""
    return new_gate()


def _credentials(file: Path) -> dict[str, str]:
    parser = configparser.ConfigParser()
    parser.read(file)
    return dict(parser["default"])


@pytest.fixture(autouse=True)
def evidence(request: pytest.FixtureRequest, settings: Settings, kubectl: Kubectl) -> Iterator[None]:
    """When a test fails, keep events and the pods' states in e2e/evidence/<test>/."""
    failed_before = request.session.testsfailed
    yield
    if request.session.testsfailed == failed_before:
        return
    folder = ROOT / "e2e" / "evidence" / request.node.name.replace("/", "-")
    folder.mkdir(parents=True, exist_ok=True)
    for name, words in {
        "pods.txt": ["get", "pods", "--all-namespaces", "--output=wide"],
        "events.txt": ["get", "events", "--all-namespaces", "--sort-by=.lastTimestamp"],
        "workflows.yaml": ["get", "workflows", "--namespace", settings.kubeflow_namespace, "--output=yaml"],
    }.items():
        done = subprocess.run(kubectl.argv(*words), capture_output=True, text=True, timeout=60, check=False)
        (folder / name).write_text(done.stdout + done.stderr)
