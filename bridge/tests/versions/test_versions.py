"""Older Metaflows: every flow that they can express compiles to the same documents, and runs in small as on a laptop.

Each has a venv of its own, made once below $CACHE from what lies in locks/. The extension comes into it as its wheel,
and the tests of the flows are run there as they stand.
"""

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from bridge.tests.lib import versions
from bridge.tests.lib.older_metaflow import LOCKS, UV, VERSIONS, python_of, run

ROOT = Path(__file__).parents[3]
# The last one before Metaflow renamed what metaflow-kubeflow needs.
BEFORE_THE_CHANGE = "2.19.22"

COMPILED = "bridge/tests/golden/test_golden.py"
IN_SMALL = "bridge/tests/pod/test_flows_in_small.py"
# Each shows the runner something that no other does.
TELLING = ("linear_flow", "nested_foreach_flow", "parallel_flow", "retry_flow")


@pytest.fixture(scope="module")
def extension(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the extension's wheel unpacked, and nothing of what it needs."""
    folder = tmp_path_factory.mktemp("wheel")
    run(UV, "build", "--wheel", "--no-build-isolation", "--python", sys.executable, "--out-dir", folder, ROOT)
    (wheel,) = folder.glob("metaflow_tributary-*.whl")
    found = folder / "extension"
    run(UV, "pip", "install", "--no-deps", "--python", sys.executable, "--target", found, wheel)
    return found


def test_the_locks_differ_from_the_projects_in_metaflow_alone() -> None:
    pinned = _pins(ROOT / "requirements.txt")
    beside = _pins(LOCKS / "beside.txt")
    assert beside.items() <= pinned.items()
    assert "metaflow" not in beside
    for version in VERSIONS:
        assert _pins(LOCKS / f"{version}.txt") == {"metaflow": version}


def test_the_oldest_metaflow_that_is_asked_for_is_tested() -> None:
    (floor,) = re.findall(r'"metaflow>=([\d.]+)"', (ROOT / "pyproject.toml").read_text())
    assert min(VERSIONS, key=versions.numbers) == floor


@pytest.mark.slow
@pytest.mark.parametrize(
    "version", [pytest.param(each, marks=[] if each == BEFORE_THE_CHANGE else pytest.mark.long) for each in VERSIONS]
)
def test_flows_compile_to_the_same_documents(version: str, extension: Path) -> None:
    _test_with(version, extension, COMPILED, "-k", "looked_at and not left_over")


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("version", VERSIONS)
def test_flows_run_in_small_as_on_a_laptop(version: str, extension: Path) -> None:
    _test_with(version, extension, IN_SMALL, "-k", " or ".join(TELLING))


OTHER_NAMES = """
from metaflow import FlowSpec, step

class OtherNamesFlow(FlowSpec):
    @step
    def begin(self):
        self.next(self.finish)

    @step
    def finish(self):
        pass

if __name__ == "__main__":
    OtherNamesFlow()
"""


@pytest.mark.slow
def test_what_an_older_metaflow_lacks_is_said(extension: Path, tmp_path: Path) -> None:
    (tmp_path / "other_names_flow.py").write_text(OTHER_NAMES)
    said = _refused(BEFORE_THE_CHANGE, tmp_path / "other_names_flow.py", extension)
    assert said == (
        "flow 'OtherNamesFlow': needs other names for start and end, and Metaflow 2.19.22 is installed. "
        "Install Metaflow 2.19.23 or newer."
    )


@pytest.mark.slow
def test_metaflow_kubeflow_with_the_same_commands_stops_ours(extension: Path, tmp_path: Path) -> None:
    _install_rival(tmp_path)
    flow = ROOT / "bridge" / "tests" / "flows" / "linear_flow.py"
    assert _refused(BEFORE_THE_CHANGE, flow, extension, tmp_path) == (
        "metaflow-kubeflow: is installed beside this extension and has the same commands. Uninstall one of them."
    )


def _refused(version: str, flow: Path, *folders: Path) -> str:
    """What `create --only-json` says, with these distributions beside that Metaflow. It must refuse."""
    ran = subprocess.run(
        [python_of(version), flow, "--quiet", "--no-pylint", "kubeflow-pipelines", "create", "--only-json"],
        env={**_environment(*folders), "METAFLOW_USER": "tester"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 2, ran.stdout + ran.stderr
    return ran.stderr.strip()


def _install_rival(folder: Path) -> None:
    """What metaflow-kubeflow 0.0.4 is to Metaflow: a distribution with a group of commands of the same name."""
    plugins = Path("metaflow_extensions/kubeflow_pipelines_ext/plugins")
    commands = (
        "from metaflow._vendor import click\n\n"
        "@click.group()\ndef cli():\n    pass\n\n"
        "@cli.group(name='kubeflow-pipelines')\ndef kubeflow_pipelines():\n    print('theirs')\n\n"
        "@kubeflow_pipelines.command(name='list')\ndef listed():\n    print('theirs')\n"
    )
    described = 'CLIS_DESC = [("kubeflow-pipelines", ".commands.cli")]\n'
    information = Path("metaflow_kubeflow-0.0.4.dist-info")
    files = {
        plugins / "commands.py": commands,
        plugins / "mfextinit_kubeflow_pipelines_ext.py": described,
        information / "METADATA": "Metadata-Version: 2.1\nName: metaflow-kubeflow\nVersion: 0.0.4\n",
        information / "top_level.txt": "metaflow_extensions\n",
    }
    files[information / "RECORD"] = "".join(f"{name},,\n" for name in files)
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def _test_with(version: str, extension: Path, *arguments: str) -> None:
    """Run tests with that Metaflow; all that are chosen must pass or say what that Metaflow lacks."""
    ran = subprocess.run(
        [python_of(version), "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments],
        cwd=ROOT,
        env=_environment(extension),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout
    assert re.search(r"\b[1-9]\d* passed", ran.stdout), ran.stdout


def _environment(*folders: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("METAFLOW_", "PYTEST_", "AWS_"))}
    return {**kept, "PYTHONPATH": os.pathsep.join(map(str, folders)), "METAFLOW_HOME": "/nonexistent"}


def _pins(file: Path) -> Mapping[str, str]:
    return dict(re.findall(r"^([\w.-]+)==(\S+)", file.read_text(), re.M))
