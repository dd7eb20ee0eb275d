"""The code that a run was made from: the package that Metaflow has stored, unpacked in memory and never onto a disk.

A package is a tar, packed by gzip once or, as older releases store it, twice. Only its regular files count; their names
are shown and compared, and lead nowhere.
"""

from __future__ import annotations

import difflib
import io
import tarfile
import zlib
from collections.abc import Mapping

import msgspec

from ui_backend.datastore.files import Files
from ui_backend.datastore.pickles import Unreadable

MOST_STORED = 16 * 2**20
MOST = 48 * 2**20
MOST_FILES = 5000
MOST_SHOWN = 2**19

_MOST_LINES = 5_000
_GZIP = b"\x1f\x8b"
_METAFLOW = ("metaflow/", "metaflow_extensions/", ".mf_install/")


class CodeFile(msgspec.Struct, frozen=True):
    path: str
    size: int
    of_metaflow: bool
    """Whether Metaflow has put in its own."""


class Difference(msgspec.Struct, frozen=True):
    path: str
    kind: str
    """added, removed or changed"""
    lines: tuple[str, ...] | None
    """As in a unified diff; None where a file is no text, or too long."""


def unpacked_package(files: Files, path: str) -> dict[str, bytes]:
    """The files of a package by their names. Raises Unreadable, NotStored and DatastoreAway."""
    if files.size(path) > MOST_STORED:
        raise Unreadable(f"The package is larger than {MOST_STORED >> 20} MiB and was not read.")
    data = files.read(path, 0, MOST_STORED)
    for _ in range(2):
        if data.startswith(_GZIP):
            data = _inflated(data)
    found: dict[str, bytes] = {}
    try:
        # What is a link or a device is left out; nothing is written anywhere.
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as package:
            for member in package:
                if len(found) >= MOST_FILES:
                    raise Unreadable(f"The package has more than {MOST_FILES} files.")
                content = package.extractfile(member) if member.isreg() else None
                if content is not None:
                    found[_text(member.name.removeprefix("./"))] = content.read()
    except (tarfile.TarError, EOFError, OverflowError, ValueError) as error:
        raise Unreadable("The package cannot be unpacked.") from error
    return found


def listed(package: Mapping[str, bytes]) -> list[CodeFile]:
    """The names, those of the user first."""
    made = [CodeFile(name, len(content), name.startswith(_METAFLOW)) for name, content in package.items()]
    return sorted(made, key=lambda file: (file.of_metaflow, file.path))


def shown(content: bytes) -> str:
    """A file as text. Raises Unreadable for what is none, or too long."""
    if len(content) > MOST_SHOWN:
        raise Unreadable(f"The file is larger than {MOST_SHOWN >> 10} KiB.")
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise Unreadable("The file is no text in UTF-8.") from error
    if "\0" in text:
        raise Unreadable("The file is no text in UTF-8.")
    return text


def differences(one: Mapping[str, bytes], other: Mapping[str, bytes]) -> list[Difference]:
    """What differs between two packages, without Metaflow's own files."""
    found = []
    for name in sorted(one.keys() | other.keys()):
        before, after = one.get(name), other.get(name)
        if before != after and not name.startswith(_METAFLOW):
            kind = "added" if before is None else "removed" if after is None else "changed"
            found.append(Difference(name, kind, _lines(before or b"", after or b"")))
    return found


def _lines(before: bytes, after: bytes) -> tuple[str, ...] | None:
    try:
        one, other = shown(before).splitlines(), shown(after).splitlines()
    except Unreadable:
        return None
    if len(one) + len(other) > _MOST_LINES:
        return None
    return tuple(line for line in difflib.unified_diff(one, other, lineterm="", n=3))[2:]


def _inflated(data: bytes) -> bytes:
    machine = zlib.decompressobj(zlib.MAX_WBITS | 16)
    try:
        content = machine.decompress(data, MOST)
    except zlib.error as error:
        raise Unreadable("The package cannot be unpacked.") from error
    if machine.unconsumed_tail:
        raise Unreadable(f"The package is larger than {MOST >> 20} MiB when it is unpacked.")
    return content


def _text(name: str) -> str:
    return name.encode("utf-8", "replace").decode()
