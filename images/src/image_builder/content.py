"""What of a folder counts, and the hash of it: names, contents and the executable bit; never times or owners."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

# Any fixed time does, so that a layer of the same files is found again; before 1980 zip archives cannot say it.
A_FIXED_TIME = 946_684_800
# Left by tools beside the sources; no part of any image.
_LEFTOVERS = ("__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".DS_Store")
# An image's program and its tests lie beside its Dockerfile, but enter only when the table names them as sources.
_BESIDE_THE_DOCKERFILE = ("src", "web", "tests", "README.md")


def files(folder: Path) -> Iterator[Path]:
    """All files (and links) below a folder that count, in a fixed order. A file gives itself."""
    if not folder.is_dir() or folder.is_symlink():
        yield folder
        return
    for path in sorted(folder.iterdir()):
        if path.name not in _LEFTOVERS and not path.name.endswith((".pyc", ".egg-info")):
            yield from files(path)


def image_files(folder: Path) -> Iterator[Path]:
    """The files of an image's own folder that count."""
    for path in sorted(folder.iterdir()):
        if path.name not in _BESIDE_THE_DOCKERFILE and path.name not in _LEFTOVERS:
            yield from files(path)


def is_executable(path: Path) -> bool:
    """Whether the owner may execute it; all other bits differ with the user's umask."""
    return bool(path.stat().st_mode & 0o100)


def settle(folder: Path) -> None:
    """Give all below a folder one time and the modes that images have.

    The user's umask must not decide what a container may read, nor the time of a checkout what is built again.
    """
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or is_executable(path) else 0o644)
        os.utime(path, (A_FIXED_TIME, A_FIXED_TIME), follow_symlinks=False)


def digest(folder: Path, paths: Iterator[Path]) -> str:
    """The hash of some files by their place in a folder."""
    whole = hashlib.sha256()
    for path in paths:
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            whole.update(f"link {name}\0{os.readlink(path)}\0".encode())
            continue
        kind = "program" if is_executable(path) else "file"
        whole.update(f"{kind} {name}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    return whole.hexdigest()
