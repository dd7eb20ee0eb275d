"""The command that removes old runs and what they leave."""

from __future__ import annotations

import argparse
import asyncio
import sys
from dataclasses import replace
from pathlib import Path

import msgspec

from metadata_service.domain.refusals import Refusal
from metadata_service.domain.retention import Policies
from metadata_service.retention.datastores import open_datastore
from metadata_service.retention.sweeping import Outcome, Wish, sweep
from metadata_service.settings import DatabaseSettings, SqliteSettings, WrongSettings
from metadata_service.storage.opening import opened

PURPOSE = "remove runs that no policy keeps, and what removed runs left in the datastore"

_POLICIES = """\
POLICIES is a file of JSON:
  {"policies": [{"flows": ["Train*"], "max_age_days": 90, "keep_last": 20, "keep_tags": ["keep"]},
                {"keep_last": 100}]}
The first policy whose patterns are like a flow's name counts for it. A run stays while it is running, and as long as
any rule keeps it: it is younger, among the last so many of its flow, or has one of the tags. Flows that no policy
names keep all runs. In S3 the service finds its way by METAFLOW_S3_ENDPOINT_URL and the AWS_ variables.
"""
_HOUR_MS = 3_600_000
_NAMED_AT_MOST = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = _POLICIES
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("policies", metavar="POLICIES", type=Path, nargs="?", help="without it no runs are removed")
    parser.add_argument(
        "--datastore",
        action="append",
        default=[],
        metavar="ROOT",
        help="root of a datastore whose files may be removed, s3://BUCKET/PREFIX or a folder; may be repeated",
    )
    parser.add_argument("--dry-run", action="store_true", help="only say what would be removed, with its bytes")
    parser.add_argument(
        "--quiet-hours",
        type=float,
        default=24,
        metavar="HOURS",
        help="how long a run that has not completed and gives no sign of life keeps the blobs of its flow; 24",
    )


def run(options: argparse.Namespace, database: DatabaseSettings | SqliteSettings) -> int:
    """Do it; gives the exit code: 1 when database or datastore cannot be asked. Raises WrongSettings."""
    if isinstance(database, DatabaseSettings):
        # A replica lags behind, and what it does not know yet may be the tag that keeps a run.
        database = replace(database, replica_host="")
    wish = Wish(_policies(options.policies), round(options.quiet_hours * _HOUR_MS), options.dry_run)
    try:
        datastores = {root.rstrip("/"): open_datastore(root.rstrip("/")) for root in options.datastore}

        async def act() -> Outcome:
            async with opened(database) as storage:
                return await sweep(storage, datastores, wish)

        print(_report(asyncio.run(act()), wish))
    except Refusal as reason:
        print(f"{database.address}: {reason}", file=sys.stderr)
        return 1
    return 0


def _policies(file: Path | None) -> Policies:
    if file is None:
        return Policies(())
    try:
        return msgspec.json.decode(file.read_bytes(), type=Policies)
    except OSError as error:
        raise WrongSettings([f"{file}: {error.strerror}. Name a file of policies."]) from error
    except msgspec.DecodeError as error:
        raise WrongSettings([f"{file}: {error}. Correct it."]) from error


def _report(outcome: Outcome, wish: Wish) -> str:
    if wish.dry_run:
        lines = [f"To be removed: {outcome.runs:,} runs."]
        lines += [f"To be freed: {outcome.blobs} of artifacts; {outcome.run_files} of runs."]
        return "\n".join(lines)
    removed = msgspec.structs.asdict(outcome.removed)
    lines = ["Removed: " + ", ".join(f"{count:,} {what}" for what, count in removed.items()) + "."]
    lines += [f"Freed: {outcome.blobs} of artifacts; {outcome.run_files} of runs."]
    if outcome.saved:
        lines.append(f"Saved, because other runs refer to them: {len(outcome.saved):,} artifacts.")
        lines += [f"  {blob.root} {blob.sha}" for blob in outcome.saved[:_NAMED_AT_MOST]]
    if outcome.busy:
        lines.append(f"Left for later, because a run may be writing: {', '.join(outcome.busy)}.")
    return "\n".join(lines)
