"""Laws of every image of this repository."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from image_builder import lock, table

FOLDER = Path(__file__).parents[1]
TABLE = table.read(FOLDER / "images.yml")
DOCKERFILES = sorted(FOLDER.glob("*/Dockerfile"))


def instructions(dockerfile: Path) -> list[tuple[str, str]]:
    """Each instruction in capitals, with its arguments on one line."""
    text = re.sub(r"^\s*#.*\n", "", dockerfile.read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    lines = [line.split(None, 1) for line in text.splitlines() if line.strip()]
    return [(line[0].upper(), line[1] if len(line) > 1 else "") for line in lines]


def user(image: table.Image) -> str:
    """The user an image runs as, by its own Dockerfile or its parent's."""
    users = [arguments for name, arguments in instructions(image.folder / "Dockerfile") if name == "USER"]
    if users:
        return users[-1]
    return user(TABLE.images[image.base]) if image.base in TABLE.images else "root"


def test_the_table_names_just_the_folders() -> None:
    assert {image.folder for image in TABLE.images.values()} == {path.parent for path in DOCKERFILES}
    assert all(image.folder.name == name for name, image in TABLE.images.items())


@pytest.mark.parametrize("image", TABLE.images.values(), ids=TABLE.images)
def test_every_image_runs_as_one_numeric_user(image: table.Image) -> None:
    assert user(image) == "10001:10001"


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda path: path.parent.name)
def test_a_dockerfile_only_copies(dockerfile: Path) -> None:
    allowed = {"ARG", "FROM", "COPY", "ENV", "USER", "WORKDIR", "EXPOSE", "STOPSIGNAL", "ENTRYPOINT", "CMD"}
    assert {name for name, _ in instructions(dockerfile)} <= allowed


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda path: path.parent.name)
def test_a_dockerfile_serves_both_worlds(dockerfile: Path) -> None:
    bases = [arguments.split()[0] for name, arguments in instructions(dockerfile) if name == "FROM"]
    assert bases[0] == "${BASE}"
    assert set(bases) <= {"${BASE}", "scratch"}


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda path: path.parent.name)
def test_what_a_container_is_told_is_no_shell_s_text(dockerfile: Path) -> None:
    assert all(
        arguments.startswith("[") for name, arguments in instructions(dockerfile) if name in ("ENTRYPOINT", "CMD")
    )


# An image's folder stands for itself, so what our Python images share stands in each; here is what it must be.
# The packages come before the code, which changes most: layers above a change are made anew.
PYTHON_LAYERS = [
    ("ARG", "BASE"),
    ("FROM", "${BASE}"),
    ("COPY", "etc/ /etc/"),
    ("COPY", "site/ /opt/site/"),
    ("USER", "10001:10001"),
    ("WORKDIR", "/tmp"),
    ("COPY", "src/ /opt/site/"),
]
PYTHON_VARIABLES = ["PYTHONPATH=/opt/site", "PYTHONUNBUFFERED=1", "HOME=/tmp", "LANG=C.UTF-8", "TZ=UTC"]


@pytest.mark.parametrize("image", [name for name, image in TABLE.images.items() if image.python])
def test_python_images_are_laid_out_alike(image: str) -> None:
    found = instructions(TABLE.images[image].folder / "Dockerfile")
    pages = [("COPY", "pages/ /opt/pages/")] if TABLE.images[image].pages else []
    wanted = [*PYTHON_LAYERS[:-1], *pages, PYTHON_LAYERS[-1]]
    assert [each for each in found if each[0] in {name for name, _ in PYTHON_LAYERS}] == wanted
    (variables,) = [arguments.split() for name, arguments in found if name == "ENV"]
    assert variables[: len(PYTHON_VARIABLES)] == PYTHON_VARIABLES


def test_the_account_is_that_of_the_images() -> None:
    assert "tributary:x:10001:10001:" in (FOLDER / "account" / "passwd").read_text()
    assert "tributary:x:10001:" in (FOLDER / "account" / "group").read_text()


@pytest.mark.skipif(sys.version_info < (3, 11), reason="the standard library reads TOML from 3.11 on")
@pytest.mark.parametrize(
    ("image", "more", "extras"),
    [
        ("metadata-service", [], ["serving", "service"]),
        ("ui", [], ["serving", "ui"]),
        ("setup", [], ["setup"]),
        ("task-base", ["metaflow"], ["task"]),
        ("task-demo", ["metaflow"], ["task", "demo"]),
    ],
)
def test_an_image_carries_just_what_its_extras_say(image: str, more: list[str], extras: list[str]) -> None:
    if sys.version_info >= (3, 11):
        import tomllib

        project = tomllib.loads((TABLE.checkout / "pyproject.toml").read_text())["project"]
        wanted = [entry for extra in extras for entry in project["optional-dependencies"][extra]]
        names = [*more, *(re.split("[<>=~! ]", entry)[0] for entry in wanted if not entry.startswith(project["name"]))]
        assert sorted(map(lock.normal, names)) == sorted(map(lock.normal, TABLE.images[image].python))
