"""Removes runs that no policy keeps, and then what they left in the datastores."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field

from metadata_service.domain.garbage import Blob, Removed
from metadata_service.domain.keys import Key, RunPath
from metadata_service.domain.records import Run
from metadata_service.domain.refusals import NotFound
from metadata_service.domain.retention import AgedRun, Policies, expired
from metadata_service.domain.selection import Cursor, FieldFilter, Listing, Page, Selection
from metadata_service.retention.datastores import Datastore, Files
from metadata_service.storage.interface import Storage
from metadata_service.storage.lineage import tag_list

_PAGE = 500
_BLOBS_AT_ONCE = 500
"""Few, because no run of the flow begins meanwhile."""


@dataclass(frozen=True)
class Wish:
    """What is to be done."""

    policies: Policies
    quiet_ms: int
    """For how long an unfinished run that gives no sign of life may still be about to write."""
    dry_run: bool = False


@dataclass
class Outcome:
    """What was done, or would be."""

    runs: int = 0
    removed: Removed = field(default_factory=Removed)
    blobs: Files = field(default_factory=Files)
    run_files: Files = field(default_factory=Files)
    saved: list[Blob] = field(default_factory=list)
    """Blobs of removed runs that other runs refer to."""
    busy: list[str] = field(default_factory=list)
    """Flows whose blobs must wait, because a run of theirs may be writing."""

    @property
    def bytes(self) -> int:
        return self.blobs.bytes + self.run_files.bytes


async def sweep(storage: Storage, datastores: Mapping[str, Datastore], wish: Wish) -> Outcome:
    """Remove runs by the policies, and collect garbage in the datastores, which are given by their roots."""
    outcome = Outcome()
    async for flow in _flows(storage):
        gone = await _expired(storage, flow, wish.policies)
        outcome.runs += len(gone)
        if wish.dry_run:
            await _promise(storage, datastores, flow, gone, outcome)
        else:
            for run in gone:
                outcome.removed += await _remove(storage, RunPath(flow, run.run))
    if not wish.dry_run:
        for flow in await storage.garbage.flows():
            await _collect(storage, datastores, flow, wish.quiet_ms, outcome)
    return outcome


async def _flows(storage: Storage) -> AsyncIterator[str]:
    after: Cursor | None = None
    while True:
        listing = await storage.flows.list(Selection(Page(_PAGE, after)))
        for flow in listing.records:
            yield flow.flow_id
        if listing.next is None:
            return
        after = listing.next


async def _expired(storage: Storage, flow: str, policies: Policies) -> Sequence[AgedRun]:
    policy = policies.of(flow)
    if policy is None:
        return []
    running = {run.run_number async for run in _runs(storage, flow, FieldFilter("status", "eq", ("running",)))}
    origins: dict[Key, set[str]] = {}
    for heir, origin in await storage.runs.origins(flow):
        origins.setdefault(heir, set()).add(origin)
    runs = [
        AgedRun(
            run.run_number,
            run.ts_epoch,
            run.run_number in running,
            frozenset((*tag_list(run.tags), *tag_list(run.system_tags))),
            frozenset(origins.get(run.run_number, ())),
        )
        async for run in _runs(storage, flow)
    ]
    return expired(policy, runs, time.time_ns() // 1_000_000)


async def _runs(storage: Storage, flow: str, *filters: FieldFilter) -> AsyncIterator[Run]:
    after: Cursor | None = None
    while True:
        listing: Listing[Run] = await storage.runs.list(flow, Selection(Page(_PAGE, after), filters))
        for run in listing.records:
            yield run
        if listing.next is None:
            return
        after = listing.next


async def _remove(storage: Storage, path: RunPath) -> Removed:
    try:
        return await storage.runs.delete(path)
    except NotFound:
        # Somebody else did.
        return Removed()


async def _promise(
    storage: Storage, datastores: Mapping[str, Datastore], flow: str, gone: Sequence[AgedRun], outcome: Outcome
) -> None:
    left = await storage.garbage.promise(flow, [run.run for run in gone])
    runs = {(files.root, files.run) for files in await storage.garbage.run_files(flow)}
    for root, datastore in datastores.items():
        there = datastore.blobs(flow)
        hashes = {blob.sha for blob in left if blob.root == root} & there.keys()
        outcome.blobs += Files(len(hashes), sum(there[name] for name in hashes))
        names = {str(run.run) for run in gone} | {run for at, run in runs if at == root}
        for name in names:
            outcome.run_files += datastore.run_files(flow, name)


async def _collect(
    storage: Storage, datastores: Mapping[str, Datastore], flow: str, quiet_ms: int, outcome: Outcome
) -> None:
    for root, datastore in datastores.items():
        there: Mapping[str, int] | None = None

        def remove(blobs: Sequence[Blob], datastore: Datastore = datastore) -> None:
            datastore.remove_blobs(flow, [blob.sha for blob in blobs])

        while True:
            if there is None:
                there = datastore.blobs(flow)
            done = await storage.garbage.collect(flow, root, quiet_ms, _BLOBS_AT_ONCE, remove)
            outcome.saved += done.saved
            sizes = [there[blob.sha] for blob in done.freed if blob.sha in there]
            outcome.blobs += Files(len(sizes), sum(sizes))
            if done.busy:
                outcome.busy.append(flow)
            if not (done.freed or done.saved):
                break
        for files in await storage.garbage.run_files(flow):
            if files.root == root:
                outcome.run_files += datastore.run_files(flow, files.run)
                datastore.remove_run(flow, files.run)
                await storage.garbage.forget_run(flow, files)
