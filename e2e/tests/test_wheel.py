"""The wheel beside Metaflow alone, as a data scientist installs it."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
import yaml

from bridge.tests.lib.wheel import UV, installed

pytestmark = pytest.mark.slow
FLOW = """
from metaflow import FlowSpec, step

class TinyFlow(FlowSpec):
    @step
    def start(self):
        self.x = 1
        self.next(self.end)

    @step
    def end(self):
        pass

if __name__ == "__main__":
    TinyFlow()
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of a clean venv that holds the wheel and what it asks for, nothing else."""
    return installed(tmp_path_factory.mktemp("wheel"))


def test_neither_kfp_nor_kubernetes_is_asked_for(python: Path) -> None:
    names = {
        each["name"] for each in json.loads(_run(UV, "pip", "list", "--format", "json", "--python", python).stdout)
    }
    assert {"metaflow", "metaflow-tributary"} <= names
    assert not names & {"kfp", "kubernetes", "ansible-core", "starlette"}


def test_metaflow_knows_the_extension_by_name_and_version(python: Path, tmp_path: Path) -> None:
    # Where it does not, it makes up a name, which `--environment uv` fails on.
    program = """if True:
        from importlib.metadata import version
        from metaflow.extension_support import _all_packages
        found = {name: package["version"] for name, package in _all_packages.items()}
        assert found == {"metaflow-tributary": version("metaflow-tributary")}, found
    """
    _run(python, "-c", program, also=_environment(tmp_path))


def test_the_wheel_gives_kubeflow_pipelines(python: Path, tmp_path: Path) -> None:
    flow = tmp_path / "tiny.py"
    flow.write_text(FLOW)
    environment = _environment(tmp_path) | {
        "METAFLOW_DEFAULT_DATASTORE": "s3",
        "METAFLOW_DATASTORE_SYSROOT_S3": "s3://metaflow/metaflow",
        "METAFLOW_DEFAULT_METADATA": "service",
        "METAFLOW_SERVICE_URL": "http://127.0.0.1:9",
        "METAFLOW_KUBEFLOW_PIPELINES_STEPS_CONFIG": "steps",
        "METAFLOW_KUBEFLOW_PIPELINES_STEPS_SECRET": "steps",
    }
    done = _run(python, flow, "kubeflow-pipelines", "create", "--only-json", also=environment)
    pipeline, platform = yaml.safe_load_all(done.stdout)
    assert pipeline["pipelineInfo"]["name"] == "tinyflow"
    (task,) = pipeline["root"]["dag"]["tasks"]
    assert task == "start"  # with the step behind it in the same pod
    assert "kubernetes" in platform["platforms"]


def test_an_unreachable_server_is_one_sentence_without_the_sdk(python: Path, tmp_path: Path) -> None:
    flow = tmp_path / "tiny.py"
    flow.write_text(FLOW)
    url = "http://127.0.0.1:9"
    environment = _environment(tmp_path) | {"METAFLOW_KUBEFLOW_PIPELINES_URL": url}
    done = _run(python, flow, "kubeflow-pipelines", "status", "kfp-1", also=environment, expect=2)
    assert url in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def _environment(home: Path) -> dict[str, str]:
    return {"HOME": str(home), "METAFLOW_HOME": str(home), "METAFLOW_USER": "laptop", "PYTHONPATH": ""}


def _run(*words: object, also: dict[str, str] | None = None, expect: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [str(word) for word in words],
        env={name: value for name, value in os.environ.items() if not name.startswith("METAFLOW_")} | (also or {}),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == expect, f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done
