"""The tree explains itself: what lies at the top, and which room may name which."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
ROOMS = ["bridge", "images", "charts", "playbooks", "e2e"]
TOP = {*ROOMS, "Makefile", "pyproject.toml", "README.md", "requirements.txt"}


def _files() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    return [Path(name) for name in listed if (ROOT / name).is_file()]


def test_nothing_else_lies_at_the_top() -> None:
    tops = {file.parts[0] for file in _files()}
    assert {top for top in tops if not top.startswith(".")} == TOP


@pytest.mark.parametrize("target", ["e2e", "e2e-all", "test-long"])
def test_cluster_tests_are_collected_by_themselves(target: str) -> None:
    """They configure Metaflow before they import it; tests of other folders import it at once."""
    said = subprocess.run(["make", "--dry-run", target], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    words = [word for line in said.splitlines() if "pytest" in line for word in line.split()]
    folders = {word for word in words if word.startswith("e2e/tests")}
    assert folders and all(folder.startswith("e2e/tests/cluster") for folder in folders)


@pytest.mark.parametrize(
    ("room", "later"), [(room, ROOMS[i + 1 :]) for i, room in enumerate(ROOMS[:-1])], ids=ROOMS[:-1]
)
def test_a_room_names_no_path_of_a_later_one(room: str, later: list[str]) -> None:
    """Only a README may point forward; code, templates and playbooks know what comes before them."""
    later_path = re.compile(rf"(?<![\w.-])(?:{'|'.join(later)})/(?:src|tests|roles|tributary|cluster|kubeflow)\b")
    naming = [
        str(file)
        for file in _files()
        if file.parts[0] == room and file.suffix in {".py", ".yaml", ".yml", ".tpl", ".sh", ".toml", ".j2", ".cfg"}
        if later_path.search((ROOT / file).read_text())
    ]
    assert naming == []


def test_nothing_calls_the_makefile_but_people_ci_and_the_drills() -> None:
    calls = re.compile(r"""\[\s*["']make["']""")
    calling = {str(file) for file in _files() if file.suffix == ".py" and calls.search((ROOT / file).read_text())}
    assert {name for name in calling if not name.startswith("e2e/tests/")} == set()


def test_no_file_names_a_folder_of_one_machine() -> None:
    folder = re.compile(rb"(?<![\w.-])/(?:work|root|home)/\w")
    assert [str(file) for file in _files() if folder.search((ROOT / file).read_bytes())] == []


def test_no_page_waits_for_a_figure() -> None:
    pages = [file for file in _files() if file.suffix == ".md"]
    assert [str(file) for file in pages if re.search(r"@[A-Z]+@", (ROOT / file).read_text())] == []
