"""`--environment uv` for real: Metaflow's own commands make the environment of a uv project from a package index, and
its Python, which has what the flow's own interpreter lacks, runs the steps.
"""

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bridge.tests.lib.wheel import UV, installed
from bridge.tests.pod.packaged import packaged
from bridge.tests.pod.small_kubeflow import SmallKubeflow, tasks

# Small, without dependencies, and nothing here needs it.
PACKAGE, VERSION = "pyfiglet", "1.0.2"
PROJECT = f"""\
[project]
name = "figures"
version = "1"
requires-python = ">=3.10"
dependencies = ["{PACKAGE}=={VERSION}"]
"""
FLOW = f"""\
import sys
from importlib.metadata import version

from metaflow import FlowSpec, step


class FiguresFlow(FlowSpec):
    @step
    def start(self):
        import {PACKAGE}

        self.version = version("{PACKAGE}")
        self.drawn = {PACKAGE}.figlet_format("uv").strip()
        self.prefix = sys.prefix
        self.next(self.end)

    @step
    def end(self):
        self.again = version("{PACKAGE}")


if __name__ == "__main__":
    FiguresFlow()
"""


@pytest.mark.slow
@pytest.mark.long
def test_the_steps_run_in_the_environment_of_the_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert importlib.util.find_spec(PACKAGE) is None
    monkeypatch.setenv("PATH", f"{UV.parent}:/usr/bin:/bin")
    # The environment of these tests is none of the steps'.
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)
    project = tmp_path / "project"
    project.mkdir()
    (project / "pyproject.toml").write_text(PROJECT)
    (project / "figures_flow.py").write_text(FLOW)
    # Made here, for a lock names the index that it was made from.
    subprocess.run([str(UV), "lock", "--quiet", "--python", sys.executable], cwd=project, check=True)
    # Deployed as a user does it: Metaflow calls an extension that is no distribution by a name that uv refuses.
    made = packaged(project / "figures_flow.py", tmp_path, ["--environment", "uv"], installed(tmp_path / "wheel"))

    # Each pod unpacks the code anew, and Metaflow's commands move files out of it.
    packed = shutil.copytree(made.folder, tmp_path / "packed", symlinks=True)
    run = SmallKubeflow(made.deployment, tmp_path, flows=made.folder, variables=made.variables)
    for name in ("start", "end"):
        shutil.rmtree(made.folder)
        shutil.copytree(packed, made.folder, symlinks=True)
        pod = run.pod(name)
        out, err = pod.communicate(timeout=600)
        assert pod.returncode == 0, f"{out}\n{err}"
        assert out.count("Syncing uv project") == 1, out

    found = {name: task.artifacts for (name, _), task in tasks("FiguresFlow", tmp_path, f"kfp-{run.run}").items()}
    assert (found["start"]["version"], found["end"]["again"]) == (VERSION, VERSION)
    assert "_" in found["start"]["drawn"]
    assert found["start"]["prefix"] == str(made.folder / ".venv")
