"""Files that only their owner may read."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

CLOSED = 0o600


def holds(path: Path, text: str | None, mode: int = CLOSED) -> bool:
    """Whether the file has this text and this mode."""
    try:
        # What somebody else left there need not be text.
        return text is not None and path.read_bytes() == text.encode() and stat.S_IMODE(path.stat().st_mode) == mode
    except FileNotFoundError:
        return False


def put(path: Path, text: str, mode: int = CLOSED) -> None:
    """Put the text there in one step, at no time readable for more than the mode says. Raises OSError."""
    handle, fresh = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(fresh, mode)
    os.replace(fresh, path)
