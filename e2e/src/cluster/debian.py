"""Debian packages on this machine."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from cluster import command
from cluster.errors import Refused

_RELEASE = Path("/etc/os-release")


def install(packages: Mapping[str, str], *, log: Path, say: Callable[[str], None]) -> None:
    """Install what is missing; packages maps a package to a path that exists once it is there.

    Raises Refused where this process may not, or the machine is no Debian; Failed when apt-get fails.
    """
    missing = sorted(name for name, path in packages.items() if not Path(path).exists())
    if not missing:
        return
    if os.geteuid() != 0 or shutil.which("apt-get") is None or not is_debian():
        raise Refused(
            f"This machine lacks {', '.join(missing)}. Install Docker, or run this as root on Debian, "
            "where they are installed without asking."
        )
    say(f"installing {', '.join(missing)}")
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    command.run(["apt-get", "update", "--quiet"], log=log, environment=environment, attempts=2)
    argv = ["apt-get", "install", "--yes", "--quiet", "--no-install-recommends", *missing]
    command.run(argv, log=log, environment=environment, attempts=2)


def is_debian() -> bool:
    """Whether the packages of this module are to be had here."""
    return _RELEASE.exists() and re.search(r"^ID=debian$", _RELEASE.read_text(), re.MULTILINE) is not None
