"""Copies runs from one place to another, one at a time, and looks at each again in its new place."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Protocol

from metadata_service.domain.refusals import Malformed
from metadata_service.transfer.bundles import Bundle, FlowRow, RunKey, Tally
from metadata_service.transfer.tables import Tables


class Source(Protocol):
    """What runs can be copied from."""

    address: str

    def flows(self) -> list[FlowRow]: ...

    def runs(self) -> list[RunKey]: ...

    def read(self, key: RunKey) -> Bundle | None: ...

    def close(self) -> None: ...


@dataclass
class Outcome:
    """What a copy did, or would do."""

    copied: Tally = field(default_factory=Tally)
    """What was not there, as it is in the source."""
    verified: Tally = field(default_factory=Tally)
    """The same, as it was read back from the target."""
    same: int = 0
    """Runs that were in the target already."""
    differing: list[RunKey] = field(default_factory=list)
    """Runs that are in the target, but are not the same there."""
    failed: list[str] = field(default_factory=list)
    """Runs that could not be read or stored, with the reason."""

    @property
    def whole(self) -> bool:
        return not self.differing and not self.failed


@dataclass(frozen=True)
class Wish:
    dry_run: bool = False
    """Only look."""
    replace: bool = False
    """Runs that differ become those of the source."""
    flows: Collection[str] = ()
    """Only these flows; all of them without."""

    def wants(self, flow_id: str) -> bool:
        return not self.flows or flow_id in self.flows


def copy(source: Source, target: Tables, wish: Wish, progress: Callable[[int, int], None]) -> Outcome:
    """Copy what is not in the target. `progress` is told how many runs are done, and of how many.

    Each run is stored whole or not at all, so a copy that was interrupted is started again and goes on. Raises
    StorageAway when a place cannot be asked, and Malformed for a flow that cannot be read.
    """
    outcome = Outcome()
    flows = _copy_flows(source, target, wish, outcome)
    keys = [key for key in source.runs() if key.flow_id in flows]
    for done, key in enumerate(keys):
        progress(done, len(keys))
        try:
            _copy_run(source, target, key, wish, outcome)
        except Malformed as reason:
            outcome.failed.append(f"{key}: {reason}")
    progress(len(keys), len(keys))
    return outcome


def _copy_flows(source: Source, target: Tables, wish: Wish, outcome: Outcome) -> set[str]:
    """Copy the flows that are not there; gives the names of all that are wanted."""
    wanted = {flow.flow_id: flow for flow in source.flows() if wish.wants(flow.flow_id)}
    missing = wanted.keys() - {flow.flow_id for flow in target.flows()}
    for name in missing:
        outcome.copied.add("flows", wanted[name])
    if not wish.dry_run:
        target.write_flows([flow for name, flow in wanted.items() if name in missing])
        for flow in target.flows():
            if flow.flow_id in missing:
                outcome.verified.add("flows", flow)
        if outcome.verified != outcome.copied:
            raise Malformed(f"The flows read otherwise than they were written: {outcome.verified}.")
    return set(wanted)


def _copy_run(source: Source, target: Tables, key: RunKey, wish: Wish, outcome: Outcome) -> None:
    bundle = source.read(key)
    if bundle is None:
        # It was deleted since the runs were listed.
        return
    wanted, present = bundle.tally(), target.read(key)
    if present is not None:
        if present.tally() == wanted:
            outcome.same += 1
            return
        if not wish.replace:
            outcome.differing.append(key)
            return
    if not wish.dry_run:
        target.write(bundle)
        stored = target.read(key)
        if stored is None or stored.tally() != wanted:
            raise Malformed(f"It reads otherwise than it was written: {stored and stored.tally()}, not {wanted}.")
        outcome.verified.include(stored.tally())
    outcome.copied.include(wanted)
