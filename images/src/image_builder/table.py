"""Reads a table of images: what each is made of, as plain frozen data.

The schema is closed. Every problem of a table is found before anything is refused, and each names its place.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from image_builder.errors import Refused
from image_builder.golang import GoProgram

SCRATCH = "scratch"
DEFAULT_LOCK = "requirements.txt"
MARK_OF_A_CHECKOUT = "pyproject.toml"


@dataclass(frozen=True)
class Base:
    """A base image: its name in a registry, and the Debian packages that make the like of it without one.

    renewed is the day the packages were last taken anew; a new day makes a new base. python is the version of the
    interpreter inside, for images that bring Python packages. remove holds globs of what is taken out again.
    """

    name: str
    registry: str
    suite: str
    packages: tuple[str, ...]
    renewed: str
    remove: tuple[str, ...] = ()
    python: str = ""


@dataclass(frozen=True)
class Image:
    """One image of the table. Paths in sources, files, pages and lock are relative to the checkout."""

    name: str
    base: str
    folder: Path
    repository: str = ""
    tag: str = ""
    lock: str = DEFAULT_LOCK
    args: tuple[tuple[str, str], ...] = ()
    programs: tuple[str, ...] = ()
    python: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    files: tuple[tuple[str, str], ...] = ()
    given: tuple[str, ...] = ()
    pages: str = ""


@dataclass(frozen=True)
class Table:
    """A whole table; images stand in an order in which parents come before their children."""

    path: Path
    checkout: Path
    prefix: str
    bases: Mapping[str, Base] = field(default_factory=dict)
    programs: Mapping[str, GoProgram] = field(default_factory=dict)
    images: Mapping[str, Image] = field(default_factory=dict)

    def root(self, image: Image) -> Base | None:
        """The base under an image and all its parents; None for one that starts from scratch."""
        while image.base in self.images:
            image = self.images[image.base]
        return self.bases.get(image.base)

    def select(self, names: Sequence[str] | None) -> list[Image]:
        """The named images (all, for None) and their parents, parents first. Raises Refused for an unknown name."""
        if unknown := [name for name in names or () if name not in self.images]:
            raise Refused(
                f"{self.path.name}: there is no image {name!r}. Name one of {', '.join(self.images)}."
                for name in unknown
            )
        wanted = set(self.images if names is None else names)
        for image in reversed(list(self.images.values())):
            if image.name in wanted and image.base in self.images:
                wanted.add(image.base)
        return [image for image in self.images.values() if image.name in wanted]


def read(path: Path) -> Table:
    """Read and check a table. Raises Refused with every problem in it."""
    if not path.is_file():
        raise Refused([f"{path}: there is no such table of images. Give the path of an images.yml."])
    try:
        document = yaml.safe_load(path.read_text())
    except yaml.YAMLError as problem:
        raise Refused([f"{path.name}: not YAML ({str(problem).splitlines()[0]}). Correct the file."]) from problem
    problems = list(_check_document(path.name, document))
    if problems:
        raise Refused(problems)
    table = _build(path.resolve(), document)
    problems = list(_check_references(table))
    if problems:
        raise Refused(problems)
    return dataclasses.replace(table, images={image.name: image for image in _parents_first(table)})


# The closed schema: for each kind of entry its keys, what each must look like, and which must be there.
_Look = Callable[[object], bool]


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value != ""


def _is_list(value: object) -> bool:
    return isinstance(value, list) and all(_is_text(item) for item in value)


def _is_mapping(value: object) -> bool:
    return isinstance(value, dict) and all(_is_text(key) and isinstance(item, str) for key, item in value.items())


def _is_day(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch(r"\d{4}-\d{2}-\d{2}", value) is not None


_EXPECTED: dict[_Look, str] = {
    _is_text: "a text",
    _is_day: "a day such as '2026-01-31'",
    _is_list: "a list of texts",
    _is_mapping: "a mapping of texts",
}
_BASE: dict[str, _Look] = {
    "registry": _is_text, "suite": _is_text, "packages": _is_list, "renewed": _is_day, "remove": _is_list,
    "python": _is_text,
}  # fmt: skip
_PROGRAM: dict[str, _Look] = {
    "module": _is_text, "version": _is_text, "package": _is_text, "ldflags": _is_text, "tags": _is_text,
    "replaces": _is_mapping, "nested": _is_text, "go_env": _is_mapping,
}  # fmt: skip
_IMAGE: dict[str, _Look] = {
    "base": _is_text, "folder": _is_text, "repository": _is_text, "tag": _is_text, "lock": _is_text,
    "args": _is_mapping, "programs": _is_list, "python": _is_list, "sources": _is_list, "files": _is_mapping,
    "given": _is_list, "pages": _is_text,
}  # fmt: skip
_SECTIONS: dict[str, tuple[dict[str, _Look], tuple[str, ...]]] = {
    "bases": (_BASE, ("registry", "suite", "packages", "renewed")),
    "programs": (_PROGRAM, ("module", "version")),
    "images": (_IMAGE, ("base",)),
}


def _check_document(where: str, document: object) -> Iterator[str]:
    if not isinstance(document, dict):
        yield f"{where}: expected a mapping. Start with the keys prefix, bases and images."
        return
    for key in document:
        if key != "prefix" and key not in _SECTIONS:
            yield f"{where}: unknown key {key!r}. Use prefix, {', '.join(_SECTIONS)}."
    if not _is_text(document.get("prefix")):
        yield f"{where}: prefix is not a text. Give the start of all image names, such as localhost/tributary."
    for section, (keys, required) in _SECTIONS.items():
        entries = document.get(section, {})
        if not isinstance(entries, dict):
            yield f"{where}: {section} is not a mapping. Give each entry a name."
            continue
        for name, entry in entries.items():
            yield from _check_entry(f"{where}: {section}.{name}", entry, keys, required)


def _check_entry(where: str, entry: object, keys: dict[str, _Look], required: Sequence[str]) -> Iterator[str]:
    if not isinstance(entry, dict):
        yield f"{where}: expected a mapping. Use the keys {', '.join(keys)}."
        return
    for key, value in entry.items():
        if key not in keys:
            yield f"{where}: unknown key {key!r}. Use {', '.join(keys)}."
        elif not keys[key](value):
            yield f"{where}.{key}: {value!r} is not {_EXPECTED[keys[key]]}. Correct it; quote numbers and dates."
    for key in required:
        if key not in entry:
            yield f"{where}: the key {key!r} is missing. Add it."


def _build(path: Path, document: Mapping[str, Any]) -> Table:
    return Table(
        path=path,
        checkout=_checkout(path),
        prefix=document["prefix"],
        bases={name: Base(name=name, **_frozen(entry)) for name, entry in document.get("bases", {}).items()},
        programs={name: GoProgram(name=name, **_frozen(entry)) for name, entry in document.get("programs", {}).items()},
        images={
            name: Image(name=name, **(_frozen(entry) | {"folder": path.parent / entry.get("folder", name)}))
            for name, entry in document.get("images", {}).items()
        },
    )


def _frozen(entry: Mapping[str, Any]) -> dict[str, Any]:
    frozen: dict[str, Any] = {}
    for key, value in entry.items():
        if isinstance(value, list):
            frozen[key] = tuple(value)
        else:
            frozen[key] = tuple(value.items()) if isinstance(value, dict) else value
    return frozen


def _checkout(path: Path) -> Path:
    for folder in path.parents:
        if (folder / MARK_OF_A_CHECKOUT).exists():
            return folder
    raise Refused([f"{path}: no {MARK_OF_A_CHECKOUT} in a folder above. Keep the table inside a checkout."])


def _check_references(table: Table) -> Iterator[str]:
    for image in table.images.values():
        yield from _check_image(table, image)
    if circle := _circle(table):
        yield f"{table.path.name}: images {' -> '.join(circle)} are built on each other. Give one of them a base."
        return
    for image in table.images.values():
        root = table.root(image)
        if image.python and not (root and root.python):
            yield (
                f"{table.path.name}: images.{image.name}.python: the base has no Python version. "
                "Give the base the key 'python', or leave the packages out."
            )


def _check_image(table: Table, image: Image) -> Iterator[str]:
    where = f"{table.path.name}: images.{image.name}"
    if image.base != SCRATCH and image.base not in table.bases and image.base not in table.images:
        yield f"{where}.base: {image.base!r} is neither a base nor an image. Use scratch or a name of this table."
    for program in image.programs:
        if program not in table.programs:
            yield f"{where}.programs: there is no program {program!r}. Add it to programs."
    if not (image.folder / "Dockerfile").is_file():
        yield f"{where}: there is no Dockerfile in {image.folder.name}/. Add it, or name another folder."
    wanted = [*image.sources, *(source for _, source in image.files), *([image.lock] if image.python else [])]
    wanted += [f"{image.pages}/package-lock.json"] if image.pages else []
    for source in wanted:
        if not (table.checkout / source).exists():
            yield f"{where}: there is no {source!r} in the checkout. Correct the path."


def _circle(table: Table) -> list[str]:
    for start in table.images:
        seen = [start]
        while (parent := table.images[seen[-1]].base) in table.images:
            if parent in seen:
                return [*seen[seen.index(parent) :], parent]
            seen.append(parent)
    return []


def _parents_first(table: Table) -> list[Image]:
    def depth(image: Image) -> int:
        return 1 + depth(table.images[image.base]) if image.base in table.images else 0

    return sorted(table.images.values(), key=depth)
