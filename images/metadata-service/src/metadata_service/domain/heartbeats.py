"""Which clients send heartbeats, and how often.

A run of a client that sends none must not look alive because it was created, so the first heartbeat is recorded at
creation only for clients that will send more.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

WAIT_SECONDS = 10
"""How long a client is told to wait until its next heartbeat."""

_VERSION_TAG = "metaflow_version:"
_LEADING_NUMBERS = re.compile(r"\d+(?:\.\d+)*")


def client_sends_heartbeats(system_tags: Iterable[str] | None) -> bool:
    """Whether the client that made these system tags sends heartbeats.

    A version without numbers is a build of somebody's own and is taken for a recent one.
    """
    version = next((tag[len(_VERSION_TAG) :] for tag in system_tags or () if tag.startswith(_VERSION_TAG)), None)
    if version is None:
        return False
    found = _LEADING_NUMBERS.match(version)
    if found is None:
        return bool(version)
    # Only the first three numbers decide, and int() must not meet thousands of digits.
    numbers = tuple(int(part[:9]) for part in found.group().split(".")[:3])
    return numbers >= ((1, 14) if numbers[0] == 1 else (2, 2, 12))
