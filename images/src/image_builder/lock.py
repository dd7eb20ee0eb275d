"""Takes a part out of a lock file: some packages and all they need, with their exact versions and hashes.

The lock (as `uv pip compile --generate-hashes` writes it) says under each package who asked for it. Read backwards,
these notes give what a package needs, so the part is known without asking any registry, and so is an image's tag.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from image_builder.errors import Refused

_PIN = re.compile(r"^(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^]]*])?==")


@dataclass(frozen=True)
class Pin:
    """One package of a lock: the lines that pin it, and the names of those that asked for it."""

    name: str
    lines: tuple[str, ...]
    wanted_by: frozenset[str]


def read(path: Path) -> dict[str, Pin]:
    """All packages of a lock by their normal names."""
    blocks: list[list[str]] = []
    for line in path.read_text().splitlines():
        if _PIN.match(line):
            blocks.append([line])
        elif blocks and line.startswith((" ", "\t")):
            blocks[-1].append(line)
    return {pin.name: pin for pin in map(_pin, blocks)}


def closure(pins: Mapping[str, Pin], names: Sequence[str], *, where: str) -> list[Pin]:
    """The named packages and all they need, in the order of the lock.

    Raises Refused when the lock does not have one of the names or does not pin it by hash.
    """
    wanted = {normal(name) for name in names}
    if unknown := sorted(wanted - set(pins)):
        advice = "Add it to pyproject.toml and lock anew."
        raise Refused(f"{where}: {name!r} is not in the lock. {advice}" for name in unknown)
    grown = True
    while grown:
        asked = {pin.name for pin in pins.values() if pin.wanted_by & wanted}
        grown = not asked <= wanted
        wanted |= asked
    chosen = [pin for pin in pins.values() if pin.name in wanted]
    if bare := [pin.name for pin in chosen if not any("--hash=" in line for line in pin.lines)]:
        raise Refused(f"{where}: the lock has no hash for {name!r}. Lock anew with hashes." for name in bare)
    return chosen


def normal(name: str) -> str:
    """A package's name as registries compare it, without extras."""
    return re.sub(r"[-_.]+", "-", name.split("[")[0]).lower()


def _pin(block: Sequence[str]) -> Pin:
    match = _PIN.match(block[0])
    assert match is not None
    notes = [line.strip().removeprefix("#").strip() for line in block if line.lstrip().startswith("#")]
    asked = [note.removeprefix("via").strip() for note in notes]
    return Pin(
        name=normal(match["name"]),
        lines=tuple(line for line in block if not line.lstrip().startswith("#")),
        wanted_by=frozenset(normal(note.split(" ")[0]) for note in asked if note),
    )
