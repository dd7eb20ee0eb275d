"""Gives each image its tag before anything is built: the hash of all that goes into it.

A tag follows from the checkout, the processor and the world that bases come from, and from nothing else: a machine
without any of the build's tools gives the same names, so it can say which image is to be pulled.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from image_builder import bases, content, lock, pages, python_packages
from image_builder.errors import Refused
from image_builder.table import SCRATCH, Image, Table

# Raise it when the builder itself makes other bytes of the same table.
BUILDER = 1
# Files that the caller of the builder has made: image -> place in the context -> file or folder.
Given = Mapping[str, Mapping[str, Path]]


@dataclass(frozen=True)
class Planned:
    """An image with its names and all that its build needs to know. packages are those its parents lack."""

    image: Image
    repository: str
    tag: str
    content: str
    base: str
    packages: tuple[lock.Pin, ...] = ()
    python: str = ""
    given: tuple[tuple[str, Path], ...] = ()

    @property
    def reference(self) -> str:
        """The whole name of the image."""
        return f"{self.repository}:{self.tag}"


def plan(table: Table, names: Sequence[str] | None, *, world: str, given: Given | None = None) -> list[Planned]:
    """The named images (all, for None) and their parents, parents first.

    Raises Refused for an unknown name, a package that is not in the lock, or a file that was to be given and is not.
    """
    given = given or {}
    images = table.select(names)
    problems = [problem for image in images for problem in _not_given(table, image, given)]
    if problems:
        raise Refused(problems)
    planned: dict[str, Planned] = {}
    for image in images:
        planned[image.name] = _plan_one(table, image, planned, world, given.get(image.name, {}))
    return list(planned.values())


def _not_given(table: Table, image: Image, given: Given) -> list[str]:
    there = given.get(image.name, {})
    where = f"{table.path.name}: images.{image.name}.given"
    return [f"{where}: {place!r} was not given. It is made by a caller of the builder." for place in image.given
            if place not in there] + [
        f"{where}: {place!r} was given but is not listed. List it." for place in there if place not in image.given
    ]  # fmt: skip


def _plan_one(
    table: Table, image: Image, planned: Mapping[str, Planned], world: str, given: Mapping[str, Path]
) -> Planned:
    root = table.root(image)
    packages = _packages(table, image)
    material = {
        "builder": BUILDER,
        "platform": python_packages.wheels_platform(),
        "folder": content.digest(image.folder, content.image_files(image.folder)),
        "args": dict(image.args),
        "programs": [dataclasses.asdict(table.programs[name]) for name in image.programs],
        "python": python_packages.requirements(packages),
        "sources": [_digest(table.checkout / source) for source in image.sources],
        "files": [(place, _digest(table.checkout / path)) for place, path in image.files],
        "given": [(place, _digest(path)) for place, path in sorted(given.items())],
    }
    if image.pages:
        # Of the sources: a machine without npm gives the same name.
        material["pages"] = pages.digest(table.checkout / image.pages)
    if image.base in table.images:
        parent = planned[image.base]
        material["parent"] = parent.content
        base = parent.reference
    elif root is not None:
        material["base"] = bases.recipe(root, world)
        base = bases.reference(root, table.prefix, world)
    else:
        base = SCRATCH
    digest = hashlib.sha256(json.dumps(material, sort_keys=True).encode()).hexdigest()[:12]
    return Planned(
        image=image,
        repository=image.repository or f"{table.prefix}/{image.name}",
        tag=image.tag or digest,
        content=digest,
        base=base,
        packages=packages,
        python=root.python if root else "",
        given=tuple(sorted(given.items())),
    )


def _packages(table: Table, image: Image) -> tuple[lock.Pin, ...]:
    if not image.python:
        return ()
    below = set()
    parent = image
    while parent.base in table.images:
        parent = table.images[parent.base]
        below |= {pin.name for pin in _closure(table, parent)} if parent.lock == image.lock else set()
    return tuple(pin for pin in _closure(table, image) if pin.name not in below)


def _closure(table: Table, image: Image) -> list[lock.Pin]:
    pins = lock.read(table.checkout / image.lock)
    return lock.closure(pins, image.python, where=f"{table.path.name}: images.{image.name}.python")


def _digest(path: Path) -> str:
    folder = path if path.is_dir() else path.parent
    return path.name + " " + content.digest(folder, content.files(path))
