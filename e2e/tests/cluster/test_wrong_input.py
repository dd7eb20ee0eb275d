"""A mistake of the user is one clear sentence and exit code 2, and changes nothing."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from cluster.settings import Settings
from laptop.shell import Laptop

pytestmark = pytest.mark.cluster
ROOT = Path(__file__).parents[3]
FLOW = Path(__file__).parent / "flows" / "gate_flow.py"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"CONTEXT": "no-such-context"}, "no-such-context"),
        ({"RELEASE": "a-release-name-that-is-longer-than-36"}, "at most 36 characters"),
        ({"PROVIDER": "vagrant"}, "vagrant"),
        ({"CLUSTER": "Not_A_Name"}, "Not_A_Name"),
        ({"VALUES": "/does/not/exist.yaml"}, "/does/not/exist.yaml"),
        ({"PROFILE": "laptop"}, "kind, production"),
        ({"PROVIDER": "minikube"}, "not by minikube"),
    ],
    ids=["context", "release", "provider", "cluster", "values-file", "profile", "another-provider"],
)
def test_install_refuses(given: Mapping[str, str], said: str) -> None:
    done = _make("install", given)
    assert done.returncode == 2, done.stdout + done.stderr
    assert said in done.stderr + done.stdout
    assert "Traceback" not in done.stderr + done.stdout


def test_install_refuses_an_unknown_values_key(tmp_path: Path) -> None:
    values = tmp_path / "own.yaml"
    values.write_text("database:\n  hots: somewhere\n")
    done = _make("install", {"VALUES": str(values)})
    assert done.returncode == 2, done.stdout + done.stderr
    assert "hots" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("also", "said"),
    [
        ({"METAFLOW_KUBEFLOW_PIPELINES_URL": "http://127.0.0.1:9"}, "http://127.0.0.1:9"),
        ({"METAFLOW_KUBEFLOW_PIPELINES_URL": "{service}"}, "not Kubeflow Pipelines"),
        ({"METAFLOW_DEFAULT_DATASTORE": "local"}, "local"),
    ],
    ids=["unreachable", "not-kubeflow", "local-datastore"],
)
def test_create_refuses(also: Mapping[str, str], said: str, laptop: Laptop, settings: Settings) -> None:
    service = f"http://127.0.0.1:{settings.ports.metadata_service}"
    done = laptop.call(
        [laptop.python, str(FLOW), "kubeflow-pipelines", "create"],
        also={name: value.format(service=service) for name, value in also.items()},
        expect=2,
    )
    assert said in done.err + done.out
    assert "Traceback" not in done.err + done.out


def _make(target: str, given: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Make's own exit code is 2 whenever a recipe fails, so the recipe's is read from its last line."""
    words = [f"{name}={value}" for name, value in given.items()]
    done = subprocess.run(
        ["make", target, *words],
        cwd=ROOT,
        env=os.environ.copy(),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    if "Error 1" in done.stderr:
        done.returncode = 1
    return done
