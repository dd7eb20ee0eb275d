"""Lays out the folder that a Dockerfile sees: the image's own files, and beside them all that was fetched or built.

bin/<program>   programs built from Go modules        site/   Python packages, compiled
src/<folder>    the folders of `sources`, compiled    and what `files` and `given` name, at their places
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from image_builder import content, python_packages
from image_builder.errors import Refused
from image_builder.plan import Planned

# Any fixed time does, so that a layer of the same files is found again; before 1980 zip archives cannot say it.
A_FIXED_TIME = 946_684_800


def assemble(
    planned: Planned,
    folder: Path,
    *,
    checkout: Path,
    programs: Mapping[str, Path],
    cache: Path,
    say: Callable[[str], None],
) -> None:
    """Fill an empty folder.

    Raises BuildFailed when packages cannot be fetched, and Refused when two things take one place.
    """
    image = planned.image
    _lay(image.folder, content.image_files(image.folder), folder)
    for name in image.programs:
        _lay_one(programs[name], folder / "bin" / name)
    if planned.packages:
        site = python_packages.install(planned.packages, planned.python, cache=cache, say=say)
        _lay(site, _everything(site), folder / "site")
    for source in image.sources:
        _lay_tree(checkout / source, folder / "src" / Path(source).name)
    if image.sources and planned.python:
        python_packages.compile_bytecode(folder / "src", planned.python, say)
    for place, path in (*((place, checkout / path) for place, path in image.files), *planned.given):
        _lay_tree(path, folder / place)
    _set_times(folder)


def _lay_tree(source: Path, target: Path) -> None:
    if source.is_dir():
        _lay(source, content.files(source), target)
    else:
        _lay_one(source, target)


def _lay(source: Path, paths: Iterator[Path], target: Path) -> None:
    for path in paths:
        _lay_one(path, target / path.relative_to(source))


def _lay_one(source: Path, target: Path) -> None:
    """Copy with a mode of ours: the user's umask must not decide what a container may read."""
    if target.exists():
        raise Refused([f"images: two things lie at {target.name!r} in the context. Rename one of them."])
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_symlink():
        target.symlink_to(os.readlink(source))
        return
    shutil.copyfile(source, target)
    target.chmod(0o755 if content.is_executable(source) else 0o644)


def _everything(folder: Path) -> Iterator[Path]:
    """All files, the bytecode too."""
    return (path for path in sorted(folder.rglob("*")) if path.is_symlink() or not path.is_dir())


def _set_times(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        os.utime(path, (A_FIXED_TIME, A_FIXED_TIME), follow_symlinks=False)
        if path.is_dir() and not path.is_symlink():
            path.chmod(0o755)
