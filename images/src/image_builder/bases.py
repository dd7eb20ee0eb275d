"""The images under our images: taken from a registry, or made here from Debian's packages where there is none.

Which of the two is part of an image's tag, for the bytes differ. A base that was made is kept as an archive in the
cache by the hash of its recipe, so a new store of images needs no second download.
"""

from __future__ import annotations

import calendar
import dataclasses
import hashlib
import json
import os
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from image_builder import commands
from image_builder.engine import DOCKER, Engine
from image_builder.table import Base

REGISTRY = "registry"
PACKAGES = "packages"
APT = Path("/etc/apt")
ATTEMPTS = 3
MERGED_USR = "/usr/share/mmdebstrap/hooks/merged-usr"

# A container needs none of it. The sources of packages go too: a mirror's address may carry a password.
_NEVER_WANTED = (
    "usr/share/man/*", "usr/share/info/*", "usr/share/locale/*", "usr/share/lintian/*", "usr/share/bash-completion",
    "var/cache/*", "var/lib/apt/*", "var/log/*", "etc/apt/sources.list*", "etc/machine-id", "etc/resolv.conf",
    "etc/hostname",
)  # fmt: skip
# No program of these images changes its user, so none may.
_HARDEN = 'find "$1"/usr -xdev -perm /6000 -exec chmod ug-s {} +'
# Licences stay, as they must when an image is handed on.
_DOCUMENTATION = 'find "$1"/usr/share/doc ! -type d ! -name copyright -delete'


def world(preference: str, engine: Engine) -> str:
    """Where bases come from; auto takes a registry with Docker and Debian's packages with podman."""
    if preference != "auto":
        return preference
    return REGISTRY if engine.program == DOCKER else PACKAGES


def recipe(base: Base, where: str) -> dict[str, object]:
    """All that makes this base what it is in that world, for the tags of images on it."""
    if where == REGISTRY:
        return {"registry": base.registry}
    fields = dataclasses.asdict(base)
    kept = ("suite", "packages", "renewed", "remove")
    return {key: fields[key] for key in kept} | {"always removed": _NEVER_WANTED}


def reference(base: Base, prefix: str, where: str) -> str:
    """The name under which an engine knows the base."""
    if where == REGISTRY:
        return base.registry
    text = json.dumps(recipe(base, where), sort_keys=True)
    return f"{prefix}/base-{base.name}:{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def prepare(base: Base, prefix: str, where: str, *, engine: Engine, cache: Path, say: Callable[[str], None]) -> None:
    """See to it that the engine has the base, or can pull it. Raises Refused or BuildFailed."""
    name = reference(base, prefix, where)
    if where == REGISTRY or engine.inspect(name) is not None:
        return
    archive = cache / "images" / f"base-{base.name}-{name.rsplit(':', 1)[-1]}.tar"
    if not archive.exists():
        began = time.monotonic()
        say(f"base {base.name}: from Debian packages {', '.join(base.packages)}")
        _make(base, archive, cache)
        say(f"base {base.name}: made in {time.monotonic() - began:.0f} s")
    engine.take_files(archive, name)


def _make(base: Base, archive: Path, cache: Path) -> None:
    commands.need("mmdebstrap", "it makes base images where no registry is in reach")
    archive.parent.mkdir(parents=True, exist_ok=True)
    part = archive.with_suffix(".part.tar")
    argv = ["mmdebstrap", "--variant=essential", "--format=tar", '--aptopt=Acquire::Retries "3"']
    argv += [f"--include={','.join(('usr-is-merged', *base.packages))}"]
    argv += [f"--hook-dir={MERGED_USR}"] if Path(MERGED_USR).is_dir() else []
    removed = " ".join(f'"$1"/{glob}' for glob in (*_NEVER_WANTED, *base.remove))
    argv += [f"--customize-hook=rm -rf {removed}"]
    argv += [f"--customize-hook={command}" for command in (_DOCUMENTATION, _HARDEN)]
    argv += [base.suite, str(part), *_mirrors(base.suite, archive)]
    epoch = str(calendar.timegm(time.strptime(base.renewed, "%Y-%m-%d")))
    commands.run(
        argv,
        purpose=f"base {base.name}",
        log=cache / "logs" / f"{archive.stem}.log",
        environment=os.environ | {"SOURCE_DATE_EPOCH": epoch},
        attempts=ATTEMPTS,
    )
    part.rename(archive)


def _mirrors(suite: str, archive: Path) -> list[str]:
    """This machine's own sources of Debian's packages, for it may have a mirror; else mmdebstrap's default."""
    written = []
    for suffix, found in ((".sources", _stanzas(suite)), (".list", _lines(suite))):
        if text := "\n".join(found):
            path = archive.with_suffix(suffix)
            path.write_text(text)
            written.append(str(path))
    return written


def _stanzas(suite: str) -> Iterator[str]:
    for path in sorted(APT.glob("sources.list.d/*.sources")):
        for stanza in re.split(r"\n\s*\n", path.read_text()):
            fields = dict(re.findall(r"^([A-Za-z-]+):[ \t]*(.*)$", stanza, re.MULTILINE))
            wanted = _is_of(suite, fields.get("Suites", "").split()) and "main" in fields.get("Components", "").split()
            if wanted and "deb" in fields.get("Types", "").split() and fields.get("Enabled", "yes") != "no":
                yield stanza.strip() + "\n"


def _lines(suite: str) -> Iterator[str]:
    for path in sorted([APT / "sources.list", *APT.glob("sources.list.d/*.list")]):
        for line in path.read_text().splitlines() if path.is_file() else []:
            words = re.sub(r"\[[^]]*]", "", line).split()
            if words[:1] == ["deb"] and _is_of(suite, words[2:3]) and "main" in words[3:]:
                yield line + "\n"


def _is_of(suite: str, suites: list[str]) -> bool:
    return bool(suites) and all(name in (suite, f"{suite}-updates", f"{suite}-security") for name in suites)
