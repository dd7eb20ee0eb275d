"""Older Metaflows: each in a venv of its own, made once below $CACHE from what lies in bridge/tests/versions/locks."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

LOCKS = Path(__file__).parents[1] / "versions" / "locks"
UV = Path(sys.executable).parent / "uv"
CACHE = Path(os.environ.get("CACHE") or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tributary")

VERSIONS = sorted(file.stem for file in LOCKS.glob("[0-9]*.txt"))


def python_of(version: str) -> Path:
    """The interpreter of that Metaflow's venv, made when it is not there. It is named by all that it is made from."""
    locks = [LOCKS / "beside.txt", LOCKS / f"{version}.txt"]
    content = hashlib.sha256(sys.version.encode() + b"".join(lock.read_bytes() for lock in locks)).hexdigest()[:12]
    venv = CACHE / "metaflow" / f"{version}-{content}"
    python = venv / "bin" / "python"
    if not venv.exists():
        # Made under another name, and moved when it is whole. uv writes no path of its own into what is run here.
        making = venv.with_name(f"{venv.name}.{os.getpid()}")
        run(UV, "venv", "--quiet", "--relocatable", "--python", sys.executable, making)
        given = [word for lock in locks for word in ("--requirement", lock)]
        run(UV, "pip", "install", "--quiet", "--require-hashes", "--python", making / "bin" / "python", *given)
        try:
            making.rename(venv)
        except OSError:
            if not python.exists():
                raise
            # Another session that shares the cache has made it meanwhile.
            shutil.rmtree(making)
    return python


def run(*words: str | Path) -> None:
    """Run a command to its success."""
    done = subprocess.run(list(map(str, words)), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
