"""When silence means the end."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from metadata_service.storage.selecting import Parameters


def clock() -> int:
    """Milliseconds since 1970 in UTC."""
    return time.time_ns() // 1_000_000


@dataclass(frozen=True)
class Ages:
    """After how much silence a run or a task counts as failed, and what time it is."""

    cutoff_seconds: int = 360
    """Without a heartbeat, of what has sent one before."""
    old_seconds: int = 86_400
    """Since the beginning, of what never sends any."""
    now_ms: Callable[[], int] = clock

    def parameters(self) -> Parameters:
        """`now`, `cutoff` and `old`, all in milliseconds."""
        return {"now": self.now_ms(), "cutoff": self.cutoff_seconds * 1000, "old": self.old_seconds * 1000}


DEAD = "abs(%(now)s - {0}.last_heartbeat_ts * 1000) > %(cutoff)s"
"""The heartbeats of a run or a task have ended. Null when there never was one."""

OLD = "abs(%(now)s - {0}) > %(old)s"

SUCCESS = "(CASE lower(trim({0}, '\" ')) WHEN 'true' THEN 1 WHEN '1' THEN 1 WHEN 'false' THEN 0 WHEN '0' THEN 0 END)"
"""What a mark `attempt_ok` says: 1 or 0, null when it cannot be read. Older clients wrote JSON."""
