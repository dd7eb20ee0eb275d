"""Installs the Python packages of an image into a folder, on the host, for the interpreter inside the image.

Only wheels are taken, each checked against its hash in the lock. The bytecode is made here too: a pod whose root file
system is read-only could never keep it, and would compile every module again at each start.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from image_builder import commands, content
from image_builder.lock import Pin

# Where packages and own code lie in every image; the Dockerfiles set PYTHONPATH to it.
SITE = "/opt/site"
ATTEMPTS = 3
# Raise it when the folders are made in another way.
LAYOUT = 2


def wheels_platform() -> str:
    """The platform whose wheels fit images of this machine."""
    machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(platform.machine(), platform.machine())
    return f"{machine}-manylinux_2_28"


def requirements(pins: Sequence[Pin]) -> str:
    """The packages as the text of a requirements file."""
    return "".join(f"{line}\n" for pin in pins for line in pin.lines)


def install(pins: Sequence[Pin], python: str, *, cache: Path, say: Callable[[str], None]) -> Path:
    """Give the folder with the packages; it is made once for the same packages, Python and platform.

    python is the version inside the image, such as 3.11. The folder is shared: copy from it, change nothing in it.
    Raises BuildFailed.
    """
    text = requirements(pins)
    recipe = f"{LAYOUT}\n{python}\n{wheels_platform()}\n{text}"
    folder = cache / "images" / "site" / hashlib.sha256(recipe.encode()).hexdigest()[:12]
    if folder.exists():
        os.utime(folder)
        return folder
    part = folder.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    wanted = folder.with_suffix(".txt")
    wanted.write_text(text)
    commands.run(
        [
            _uv(), "pip", "install", "--quiet", "--link-mode", "copy", "--no-deps",
            "--require-hashes", "--only-binary", ":all:",
            "--python-version", python, "--python-platform", wheels_platform(),
            "--target", str(part), "--requirement", str(wanted),
        ],
        purpose=f"Python packages {', '.join(pin.name for pin in pins)}",
        log=cache / "logs" / f"site-{folder.name}.log",
        environment=os.environ | {"UV_CACHE_DIR": str(cache / "uv")},
        attempts=ATTEMPTS,
    )  # fmt: skip
    _slim(part)
    compile_bytecode(part, python, say)
    content.settle(part)
    os.utime(part)
    part.rename(folder)
    return folder


def compile_bytecode(folder: Path, python: str, say: Callable[[str], None]) -> None:
    """Compile all modules of a folder that will lie at SITE, so that the same source gives the same bytes.

    Without an interpreter of the image's version the folder stays as it is: only starts are slower then.
    """
    interpreter = _interpreter(python)
    if interpreter is None:
        say(f"python{python} is not on this machine: modules go in without bytecode, and start slower")
        return
    # The exit code tells of files that are no Python of this version, such as templates; they stay as they are.
    subprocess.run(
        [
            interpreter, "-m", "compileall", "-qq", "-j", "0", "--invalidation-mode", "unchecked-hash",
            "-s", str(folder), "-p", SITE, str(folder),
        ],
        stdin=subprocess.DEVNULL, check=False,
    )  # fmt: skip


def _uv() -> str:
    beside = Path(sys.executable).parent / "uv"
    if beside.exists():
        return str(beside)
    commands.need("uv", "it installs the Python packages of images")
    return "uv"


def _interpreter(python: str) -> str | None:
    if f"{sys.version_info.major}.{sys.version_info.minor}" == python:
        return sys.executable
    return commands.find(f"python{python}")


def _slim(folder: Path) -> None:
    """Take out what a container never uses: scripts that name the host's interpreter, and packages' own tests."""
    shutil.rmtree(folder / "bin", ignore_errors=True)
    (folder / ".lock").unlink(missing_ok=True)
    for tests in [path for path in folder.rglob("tests") if path.is_dir() and path.parent != folder]:
        shutil.rmtree(tests, ignore_errors=True)
