"""The modules under test, run as Ansible runs them but in this process, against a Kubernetes API on this machine."""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import os
import shutil
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import ansible.module_utils
import pytest
from ansible.module_utils.testing import patch_module_args

ROOT = Path(__file__).parents[2]
PLAYBOOKS = ROOT / "playbooks"
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

# Ansible gives modules our module_utils under its own name. Tests name them by their folder, and mean the same objects.
ansible.module_utils.__path__.append(str(PLAYBOOKS / "module_utils"))
for _file in sorted((PLAYBOOKS / "module_utils").glob("*.py")):
    sys.modules[f"playbooks.module_utils.{_file.stem}"] = importlib.import_module(f"ansible.module_utils.{_file.stem}")

from playbooks.tests.bare_kubernetes import BareKubernetes  # noqa: E402
from playbooks.tests.fake_kubernetes import FakeKubernetes  # noqa: E402
from playbooks.tests.world import World, new_world  # noqa: E402

Cluster = FakeKubernetes | BareKubernetes
Run = Callable[..., dict[str, Any]]


@pytest.fixture(scope="session")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BareKubernetes]:
    """A real API server with nothing behind it, one for all tests; each test takes a namespace of its own."""
    with BareKubernetes(tmp_path_factory.mktemp("bare"), program("etcd"), program("kube-apiserver")) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def world(helm: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A cluster and a laptop for the playbooks, of one file of tests alone."""
    folder = tmp_path_factory.mktemp("kubernetes")
    with (
        BareKubernetes(folder, program("etcd"), program("kube-apiserver")) as cluster,
        new_world(cluster, helm, tmp_path_factory.mktemp("world")) as found,
    ):
        yield found


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[FakeKubernetes]:
    with FakeKubernetes(tmp_path) as cluster:
        yield cluster


@pytest.fixture(params=["fake", pytest.param("bare", marks=pytest.mark.server)])
def cluster(request: pytest.FixtureRequest) -> Cluster:
    """The same test on the fake API and on a real one: what holds on both shows that the fake is true."""
    found: Cluster = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def namespace(cluster: Cluster, request: pytest.FixtureRequest) -> str:
    """A namespace that no other test uses."""
    name = f"n-{zlib.crc32(request.node.nodeid.encode()):08x}"
    cluster.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    return name


@pytest.fixture
def place(cluster: Cluster) -> dict[str, str]:
    """The arguments that lead every module to the cluster."""
    return {"kubeconfig": cluster.kubeconfig, "context": cluster.context}


@pytest.fixture
def fake_place(fake: FakeKubernetes) -> dict[str, str]:
    """The same for tests that need what only the fake can be told."""
    return {"kubeconfig": fake.kubeconfig, "context": fake.context}


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run one module with arguments, in check mode or not; gives the result that Ansible would print at -vvv."""

    def run_module(name: str, /, *, check: bool = False, **arguments: Any) -> dict[str, Any]:
        module = importlib.import_module(f"playbooks.library.{name}")
        given = {**arguments, "_ansible_check_mode": check, "_ansible_diff": True, "_ansible_remote_tmp": str(tmp_path)}
        out = io.StringIO()
        with patch_module_args(given), contextlib.redirect_stdout(out), pytest.raises(SystemExit):
            module.main()
        result: dict[str, Any] = json.loads(out.getvalue())
        return result

    return run_module


@pytest.fixture(scope="session")
def helm() -> str:
    """The helm binary."""
    return program("helm")


def program(name: str) -> str:
    """A program on PATH, else the newest that the project built into its cache; the test fails where there is none."""
    cache = Path(
        os.environ.get("CACHE") or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tributary"
    )
    built = sorted(cache.glob(f"bin/{name}-*/{name}"), key=lambda path: path.stat().st_mtime)
    if found := shutil.which(name) or next(map(str, reversed(built)), None):
        return found
    pytest.fail(f"{name}: is neither on PATH nor in {cache}/bin. `make programs` builds it.")
