"""Wait by asking. A test that sleeps either wastes time or fails on a slow day."""

from __future__ import annotations

import time
from collections.abc import Callable


class NotYet(AssertionError):
    """The time is up and something is still wrong; the message says what."""


def eventually(look: Callable[[], str | None], *, within: float, every: float = 1.0) -> None:
    """Call look until it gives None (all is well).

    look gives a sentence that says what is still wrong. within and every are seconds.
    Raises NotYet with the last sentence when the time is up.
    """
    deadline = time.monotonic() + within
    while (wrong := look()) is not None:
        if time.monotonic() >= deadline:
            raise NotYet(f"after {within:.0f} s still: {wrong}")
        time.sleep(every)
