"""The extension as a data scientist installs it: its wheel and what that asks for, in a clean venv."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
UV = Path(sys.executable).parent / "uv"


def installed(folder: Path) -> Path:
    """Build the wheel and install it below the folder, with the lock's versions; gives the venv's interpreter."""
    _run(UV, "build", "--wheel", "--no-build-isolation", "--python", sys.executable, "--out-dir", folder, ROOT)
    (wheel,) = folder.glob("metaflow_tributary-*.whl")
    venv = folder / "venv"
    _run(UV, "venv", "--python", sys.executable, venv)
    found = venv / "bin" / "python"
    _run(UV, "pip", "install", "--python", found, "--constraint", _versions(folder), wheel)
    return found


def _versions(folder: Path) -> Path:
    """The lock's versions without its hashes: uv takes no hashes in constraints for a wheel of ours."""
    pinned = [line.split(" ")[0] for line in (ROOT / "requirements.txt").read_text().splitlines() if "==" in line]
    file = folder / "versions.txt"
    file.write_text("\n".join(line for line in pinned if line and line[0].isalpha()))
    return file


def _run(*words: str | Path) -> None:
    done = subprocess.run(list(map(str, words)), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
