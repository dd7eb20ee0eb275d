"""Programs that the installer and the tests start: those on PATH, else those in the cache, else built into it."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from cluster import debian, programs
from cluster.errors import Refused
from cluster.settings import Settings
from image_builder import golang
from image_builder.golang import GoProgram

CHROMIUM = "chromium"
"""Drives the browser tests of the UI. Debian's: no other is to be had without a download of its own."""


def known() -> Mapping[str, GoProgram]:
    """Those that are built, by name."""
    server = next(program for program in programs.kubernetes() if program.name == "kube-apiserver")
    return {program.name: program for program in (programs.helm(), programs.kubectl(), programs.ETCD, server)}


def chromium(settings: Settings) -> Path:
    """Debian's Chromium, installed where it is not there. Raises Refused where that cannot be, and Failed."""
    if found := shutil.which(CHROMIUM):
        return Path(found)
    place = Path("/usr/bin") / CHROMIUM
    debian.install({CHROMIUM: str(place)}, log=settings.logs / "chromium.log", say=_to_stderr)
    return place


def provide(settings: Settings, names: Sequence[str]) -> dict[str, Path]:
    """Where each of these programs lies now. Raises Refused for a name that is not known, and GoBuildError."""
    if strangers := [name for name in names if name not in known()]:
        raise Refused(f"programs: {', '.join(strangers)} is not known. Choose from {', '.join(known())}.")
    found = {name: Path(path) for name in names if (path := shutil.which(name))}
    wanted = [known()[name] for name in names if name not in found]
    return found | (golang.build(wanted, cache=settings.cache, say=_to_stderr) if wanted else {})


def helm(settings: Settings) -> Path:
    """Helm alone. Raises GoBuildError."""
    return provide(settings, ["helm"])["helm"]


def _to_stderr(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
