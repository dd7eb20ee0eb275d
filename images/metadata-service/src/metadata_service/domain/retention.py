"""Which runs are kept: as long as any rule of the flow says so, while running, and for those resumed from them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Annotated

import msgspec

from metadata_service.domain.keys import Key

_DAY_MS = 86_400_000


class Policy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is kept of the flows whose names are like one of the patterns, with `*` for any characters."""

    flows: tuple[str, ...] = ("*",)
    max_age_days: Annotated[float, msgspec.Meta(ge=0)] | None = None
    keep_last: Annotated[int, msgspec.Meta(ge=0)] | None = None
    keep_tags: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.max_age_days is None and self.keep_last is None:
            raise ValueError("give max_age_days or keep_last: a policy without either would remove all runs")

    def holds_for(self, flow_id: str) -> bool:
        return any(fnmatchcase(flow_id, pattern) for pattern in self.flows)


class Policies(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of several that hold for a flow the first counts. A flow that none holds for keeps all its runs."""

    policies: tuple[Policy, ...]

    def of(self, flow_id: str) -> Policy | None:
        return next((policy for policy in self.policies if policy.holds_for(flow_id)), None)


@dataclass(frozen=True)
class AgedRun:
    """What decides whether a run is kept."""

    run: Key
    ts_epoch: int
    running: bool
    tags: frozenset[str]
    origins: frozenset[str] = frozenset()
    """The runs that it was resumed from. Its tasks read from theirs."""


def expired(policy: Policy, runs: Iterable[AgedRun], now_ms: int) -> list[AgedRun]:
    """Those of a flow's runs that no rule keeps, oldest first."""
    newest_first: Sequence[AgedRun] = sorted(runs, key=lambda run: run.ts_epoch, reverse=True)
    kept = [run for place, run in enumerate(newest_first) if _kept(policy, run, place, now_ms)]
    names = {str(run.run) for run in kept}
    # Who was resumed from whom may go over several runs.
    while more := [run for run in newest_first if str(run.run) not in names and _is_origin(run, kept)]:
        kept += more
        names |= {str(run.run) for run in more}
    return [run for run in newest_first if str(run.run) not in names][::-1]


def _is_origin(run: AgedRun, of: Iterable[AgedRun]) -> bool:
    return any(str(run.run) in other.origins for other in of)


def _kept(policy: Policy, run: AgedRun, place: int, now_ms: int) -> bool:
    return (
        run.running
        or (policy.keep_last is not None and place < policy.keep_last)
        or (policy.max_age_days is not None and now_ms - run.ts_epoch < policy.max_age_days * _DAY_MS)
        or not run.tags.isdisjoint(policy.keep_tags)
    )
