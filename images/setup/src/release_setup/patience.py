"""Trying again, for a bounded time.

The Jobs start together with what they talk to, so the first attempts usually come too early.
"""

import time
from collections.abc import Callable
from typing import TypeVar

from release_setup.errors import Away

FIRST_PAUSE = 0.5
LONGEST_PAUSE = 8.0

Result = TypeVar("Result")


def patiently(
    attempt: Callable[[], Result],
    *,
    within: float,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Result:
    """The result of the first attempt that does not raise Away.

    The pauses between attempts double up to LONGEST_PAUSE. When `within` seconds are over, the last Away is raised.
    """
    deadline = clock() + within
    pause = FIRST_PAUSE
    while True:
        try:
            return attempt()
        except Away:
            left = deadline - clock()
            if left <= 0:
                raise
        sleep(min(pause, left))
        pause = min(pause * 2, LONGEST_PAUSE)
