"""The folder that a Dockerfile sees: all in its place, readable by any user, the same each time."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from image_builder import content, context, lock, pages, python_packages, table
from image_builder.errors import BuildFailed, Refused
from image_builder.plan import plan

if TYPE_CHECKING:
    from images.tests.conftest import Checkout

LOCK_OF_THIS_REPOSITORY = Path(__file__).parents[2] / "requirements.txt"
THIS_PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"


def no_word(line: str) -> None:
    raise AssertionError(f"said: {line}")


def assemble(checkout: Checkout, folder: Path, name: str) -> Path:
    folder.mkdir()
    (planned,) = (
        found for found in plan(table.read(checkout.table), [name], world="packages") if found.image.name == name
    )
    binary = checkout.write("built/tool", "tool\n")
    binary.chmod(0o700)
    context.assemble(
        planned, folder, checkout=checkout.root, programs={"tool": binary}, cache=checkout.root / "cache", say=no_word
    )
    return folder


def tree(folder: Path) -> list[tuple[str, int, int, bytes]]:
    """Everything below a folder that reaches an image."""
    return [
        (str(path.relative_to(folder)), path.stat().st_mode, int(path.stat().st_mtime), path.read_bytes())
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    ]


@pytest.fixture(autouse=True)
def same_python(checkout: Checkout) -> None:
    """Let the small table's base have the Python that runs here, so that bytecode can be made."""
    checkout.edit(lambda document: document["bases"]["python"].update(python=THIS_PYTHON))


def names(folder: Path) -> Sequence[str]:
    return [str(path.relative_to(folder)) for path in sorted(folder.rglob("*")) if path.is_file()]


def test_all_lies_in_its_place(checkout: Checkout, tmp_path: Path) -> None:
    folder = assemble(checkout, tmp_path / "context", "parent")
    tag = sys.implementation.cache_tag
    assert names(folder) == ["Dockerfile", "etc/x", f"src/program/__pycache__/main.{tag}.pyc", "src/program/main.py"]


def test_a_program_lies_in_bin_and_can_be_run_by_anyone(checkout: Checkout, tmp_path: Path) -> None:
    folder = assemble(checkout, tmp_path / "context", "other")
    assert (folder / "bin/tool").stat().st_mode & 0o777 == 0o755


def test_the_user_s_umask_and_times_do_not_show(checkout: Checkout, tmp_path: Path) -> None:
    first = tree(assemble(checkout, tmp_path / "first", "parent"))
    for path in checkout.root.rglob("*"):
        path.chmod(0o700 if path.is_dir() else 0o600)
    assert tree(assemble(checkout, tmp_path / "second", "parent")) == first


def test_bytecode_names_the_place_in_the_image_and_not_this_machine(checkout: Checkout, tmp_path: Path) -> None:
    folder = assemble(checkout, tmp_path / "context", "parent")
    (compiled,) = folder.rglob("*.pyc")
    assert b"/opt/site/program/main.py" in compiled.read_bytes()
    assert str(tmp_path).encode() not in compiled.read_bytes()


def test_bytecode_is_used_whatever_the_time_of_the_source(checkout: Checkout, tmp_path: Path) -> None:
    folder = assemble(checkout, tmp_path / "context", "parent")
    source = folder / "src/program/main.py"
    source.write_text("print('not compiled')\n")
    argv = [sys.executable, "-c", "import program.main"]
    done = subprocess.run(argv, cwd=folder / "src", capture_output=True, text=True, check=True)
    assert done.stdout == "fish\n"


def test_without_an_interpreter_of_that_version_it_says_so(checkout: Checkout, tmp_path: Path) -> None:
    said: list[str] = []
    python_packages.compile_bytecode(checkout.root / "code", "3.1", said.append)
    assert said == ["python3.1 is not on this machine: modules go in without bytecode, and start slower"]
    assert not list(checkout.root.rglob("*.pyc"))


def test_two_things_at_one_place_are_refused(checkout: Checkout, tmp_path: Path) -> None:
    checkout.edit(lambda document: document["images"]["parent"].update(files={"Dockerfile": "code/x"}))
    with pytest.raises(Refused, match="two things lie at 'Dockerfile'"):
        assemble(checkout, tmp_path / "context", "parent")


def test_built_pages_lie_in_pages(checkout: Checkout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sources = checkout.write("web/package-lock.json", "{}").parent
    built = checkout.write("built/pages/assets/main.js", "1").parents[1]
    asked: list[Path] = []

    def build(cache: Path, say: object, web: Path) -> Path:
        asked.append(web)
        return built

    monkeypatch.setattr(pages, "build", build)
    checkout.edit(lambda table: table["images"]["other"].update(pages="web"))
    folder = assemble(checkout, tmp_path / "context", "other")
    assert names(folder) == ["Dockerfile", "bin/tool", "pages/assets/main.js"]
    assert asked == [sources]


def test_links_stay_links(checkout: Checkout, tmp_path: Path) -> None:
    (checkout.root / "code/program/again.py").symlink_to("main.py")
    folder = assemble(checkout, tmp_path / "context", "parent")
    assert (folder / "src/program/again.py").readlink() == Path("main.py")


def test_what_is_hashed_is_what_is_laid_out(checkout: Checkout, tmp_path: Path) -> None:
    checkout.write("code/program/__pycache__/old.pyc", "old")
    checkout.write("images/parent/tests/test_x.py", "")
    folder = assemble(checkout, tmp_path / "context", "parent")
    for compiled in folder.rglob("__pycache__"):
        shutil.rmtree(compiled)
    image = table.read(checkout.table).images["parent"].folder
    hashed = [str(path.relative_to(image)) for path in content.image_files(image)]
    hashed += [f"src/program/{path.name}" for path in content.files(checkout.root / "code/program")]
    assert names(folder) == sorted([*hashed, "etc/x"])


@pytest.mark.slow
def test_packages_are_installed_by_hash_compiled_and_kept(tmp_path: Path) -> None:
    pins = lock.closure(lock.read(LOCK_OF_THIS_REPOSITORY), ["python-dateutil"], where="")
    site = python_packages.install(pins, THIS_PYTHON, cache=tmp_path, say=no_word)
    made = site.stat().st_ino
    assert {"dateutil", "six.py", "__pycache__"} <= {path.name for path in site.iterdir()}
    assert not list(site.glob("bin/*"))
    assert python_packages.install(pins, THIS_PYTHON, cache=tmp_path, say=no_word).stat().st_ino == made


@pytest.mark.slow
def test_a_package_with_another_hash_is_not_installed(tmp_path: Path) -> None:
    (pin,) = lock.closure(lock.read(LOCK_OF_THIS_REPOSITORY), ["six"], where="")
    wrong = lock.Pin(pin.name, (pin.lines[0], f"    --hash=sha256:{'0' * 64}"), pin.wanted_by)
    with pytest.raises(BuildFailed, match=r"Python packages six: .*Look at"):
        python_packages.install([wrong], THIS_PYTHON, cache=tmp_path, say=no_word)
    assert not [path for path in (tmp_path / "images/site").iterdir() if path.is_dir() and path.suffix != ".part"]
