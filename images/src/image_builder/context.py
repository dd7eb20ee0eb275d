"""Lays out the folder that a Dockerfile sees: the image's own files, and beside them all that was fetched or built.

bin/<program>   programs built from Go modules        site/   Python packages, compiled
src/<folder>    the folders of `sources`, compiled    pages/   what is built of `pages`
and what `files` and `given` name, at their places
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from image_builder import content, pages, python_packages
from image_builder.errors import Refused
from image_builder.plan import Planned


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

    Raises BuildFailed when packages cannot be fetched or pages built, and Refused when two things take one place.
    """
    image = planned.image
    _lay(image.folder, content.image_files(image.folder), folder)
    for name in image.programs:
        _lay_one(programs[name], folder / "bin" / name)
    for source in image.sources:
        _lay_tree(checkout / source, folder / "src" / Path(source).name)
    if image.sources and planned.python:
        python_packages.compile_bytecode(folder / "src", planned.python, say)
    for place, path in (*((place, checkout / path) for place, path in image.files), *planned.given):
        _lay_tree(path, folder / place)
    if image.pages:
        _lay_tree(pages.build(cache, say, checkout / image.pages), folder / "pages")
    content.settle(folder)
    if planned.packages:
        site = python_packages.install(planned.packages, planned.python, cache=cache, say=say)
        _refuse_taken(folder / "site")
        # Linked and not copied: they are many, settled already, and nobody writes to a context.
        shutil.copytree(site, folder / "site", copy_function=os.link, symlinks=True)


def _lay_tree(source: Path, target: Path) -> None:
    if source.is_dir():
        _lay(source, content.files(source), target)
    else:
        _lay_one(source, target)


def _lay(source: Path, paths: Iterator[Path], target: Path) -> None:
    for path in paths:
        _lay_one(path, target / path.relative_to(source))


def _lay_one(source: Path, target: Path) -> None:
    """Copy, and keep only the executable bit."""
    _refuse_taken(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_symlink():
        target.symlink_to(os.readlink(source))
        return
    shutil.copyfile(source, target)
    target.chmod(0o755 if content.is_executable(source) else 0o644)


def _refuse_taken(place: Path) -> None:
    if place.exists():
        raise Refused([f"images: two things lie at {place.name!r} in the context. Rename one of them."])
