"""Waiting for something to become true, without guessing how long it takes."""

from __future__ import annotations

import time
from collections.abc import Callable


def eventually(look: Callable[[], str | None], *, within: float, every: float = 0.05) -> None:
    """Call `look` until it gives None: all is well. What it gives until then says what is still wrong.

    Raises AssertionError with the last of it when the time is over.
    """
    deadline = time.monotonic() + within
    while (wrong := look()) is not None:
        if time.monotonic() >= deadline:
            raise AssertionError(f"after {within:.0f} s still: {wrong}")
        time.sleep(every)
