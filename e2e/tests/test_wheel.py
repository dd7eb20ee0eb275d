"""The wheel beside Metaflow alone, as a data scientist installs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
UV = Path(sys.executable).parent / "uv"
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
    folder = tmp_path_factory.mktemp("wheel")
    _run(UV, "build", "--wheel", "--no-build-isolation", "--python", sys.executable, "--out-dir", folder, ROOT)
    (wheel,) = folder.glob("metaflow_tributary-*.whl")
    venv = folder / "venv"
    _run(UV, "venv", "--python", sys.executable, venv)
    found = venv / "bin" / "python"
    _run(UV, "pip", "install", "--python", found, "--constraint", _versions(folder), wheel)
    return found


def _versions(folder: Path) -> Path:
    """The lock's versions without its hashes: uv takes no hashes in constraints for a wheel of ours."""
    pinned = [line.split(" ")[0] for line in (ROOT / "requirements.txt").read_text().splitlines() if "==" in line]
    file = folder / "versions.txt"
    file.write_text("\n".join(line for line in pinned if line and line[0].isalpha()))
    return file


def test_neither_kfp_nor_kubernetes_is_asked_for(python: Path) -> None:
    names = {
        each["name"] for each in json.loads(_run(UV, "pip", "list", "--format", "json", "--python", python).stdout)
    }
    assert {"metaflow", "metaflow-tributary"} <= names
    assert not names & {"kfp", "kubernetes", "ansible-core", "starlette"}


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
