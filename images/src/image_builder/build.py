"""Builds the images of a table that are not there yet."""

from __future__ import annotations

import contextlib
import fcntl
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from image_builder import bases, commands, context, golang, table
from image_builder.engine import Engine, choose
from image_builder.plan import Given, Planned, plan

# Images of a repository that are kept: the present one, and some that another checkout may still use.
KEPT = 4
KEPT_SITES = 12


@dataclass(frozen=True)
class Built:
    """An image that the engine holds. content is the hash of what it was made from; size is in bytes."""

    name: str
    repository: str
    tag: str
    content: str
    id: str
    size: int

    @property
    def reference(self) -> str:
        """The whole name of the image."""
        return f"{self.repository}:{self.tag}"


def build_images(
    path: Path,
    names: Sequence[str] | None = None,
    *,
    cache: Path,
    say: Callable[[str], None],
    engine: Engine | None = None,
    world: str = "auto",
    given: Given | None = None,
) -> dict[str, Built]:
    """Build what changed of a table's images (all of them, for None) and give every image asked for by its name.

    path is the table. engine is Docker or podman, as found on this machine when it is None. world says where bases
    come from: `registry`, `packages`, or `auto`. given holds files that the caller made: image -> place in the build
    context -> file or folder. Raises Refused for what the user can set right and BuildFailed for what went wrong.
    """
    engine = engine or choose("auto", cache)
    whole = table.read(path)
    world = bases.world(world, engine)
    planned = plan(whole, names, world=world, given=given)
    with _only_one(cache, say):
        missing = [image for image in planned if find(image, engine) is None]
        for base in {root.name: root for image in missing if (root := whole.root(image.image))}.values():
            bases.prepare(base, whole.prefix, world, engine=engine, cache=cache, say=say)
        wanted = {name: whole.programs[name] for image in missing for name in image.image.programs}
        if wanted:
            commands.need("go", "it builds programs whose upstream publishes no image")
        programs = golang.build(list(wanted.values()), cache=cache, say=say) if wanted else {}
        for image in missing:
            _build_one(image, whole.checkout, programs, engine, cache, say)
        for image in missing:
            engine.forget_all_but(KEPT, image.repository)
        _forget_sites(cache)
    found = {image.image.name: find(image, engine) for image in planned}
    return {name: built for name, built in found.items() if built is not None and (names is None or name in names)}


def find(planned: Planned, engine: Engine) -> Built | None:
    """The image as the engine holds it, if it was made from just this content."""
    stored = engine.inspect(planned.reference)
    if stored is None or stored.content != planned.content:
        return None
    return Built(planned.image.name, planned.repository, planned.tag, planned.content, stored.id, stored.size)


def _build_one(
    planned: Planned,
    checkout: Path,
    programs: dict[str, Path],
    engine: Engine,
    cache: Path,
    say: Callable[[str], None],
) -> None:
    began = time.monotonic()
    folder = cache / "images" / "context" / planned.image.name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    context.assemble(planned, folder, checkout=checkout, programs=programs, cache=cache, say=say)
    engine.build(folder, planned.reference, planned.content, {"BASE": planned.base} | dict(planned.image.args))
    shutil.rmtree(folder)
    built = find(planned, engine)
    size = f"{built.size / 2**20:.0f} MiB" if built else "gone again"
    say(f"{planned.reference}: built in {time.monotonic() - began:.0f} s, {size}")


@contextlib.contextmanager
def _only_one(cache: Path, say: Callable[[str], None]) -> Iterator[None]:
    """Let a second build on the same cache wait: it will find most of its images made."""
    lock = cache / "images" / "lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("images: another build works on this cache; waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _forget_sites(cache: Path) -> None:
    """Remove the Python package folders that were used least lately."""
    sites = [path for path in (cache / "images" / "site").glob("*") if path.is_dir() and path.suffix != ".part"]
    for old in sorted(sites, key=lambda path: path.stat().st_mtime, reverse=True)[KEPT_SITES:]:
        shutil.rmtree(old)
        old.with_suffix(".txt").unlink(missing_ok=True)
