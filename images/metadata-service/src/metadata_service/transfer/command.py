"""The command that copies: which places are meant, and what is told."""

from __future__ import annotations

import argparse
import contextlib
import sys
import time
from collections.abc import Callable
from pathlib import Path

from metadata_service.domain.refusals import Malformed, Refusal
from metadata_service.settings import DatabaseSettings, Settings, SqliteSettings, WrongSettings
from metadata_service.transfer.copying import Outcome, Source, Wish, copy
from metadata_service.transfer.local import LocalFolder
from metadata_service.transfer.postgres import PostgresTables
from metadata_service.transfer.sqlite import SqliteTables
from metadata_service.transfer.tables import Tables

POSTGRES = "postgres"
PURPOSE = "copy runs: from a folder .metaflow, a file of SQLite or PostgreSQL, into a file of SQLite or PostgreSQL"

_PLACES = (
    f"A place is a folder of local metadata (only to copy from), a file of SQLite, or the word {POSTGRES}: the database"
    " of the MF_METADATA_DB_ settings. What is there already is left out, so that a copy which was interrupted goes on"
    " when it is started again. No service should write to either place meanwhile."
)
_SECONDS_BETWEEN_LINES = 2.0
_NAMED_AT_MOST = 20
_NOT_CUT_OFF = 360


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = _PLACES
    parser.add_argument("source", metavar="FROM", help="the place to copy from")
    parser.add_argument("target", metavar="TO", help="the place to copy into")
    parser.add_argument("--flow", action="append", default=[], metavar="NAME", help="only this flow; may be repeated")
    parser.add_argument("--dry-run", action="store_true", help="only say what would be copied")
    parser.add_argument(
        "--replace", action="store_true", help="runs that are there and differ become those of the source"
    )


def run(options: argparse.Namespace, settings: Callable[[], Settings]) -> int:
    """Copy; gives the exit code: 0 when all is there, 1 when not. Raises WrongSettings for places that cannot be."""
    if options.source == options.target:
        raise WrongSettings([f"{options.source}: FROM and TO are the same place. Name two."])
    wish = Wish(options.dry_run, options.replace, frozenset(options.flow))
    try:
        with (
            contextlib.closing(_source(options.source, settings)) as source,
            contextlib.closing(_tables(options.target, settings, wish.dry_run)) as target,
        ):
            outcome = copy(source, target, wish, _Progress())
            print(_report(outcome, source, target, wish))
    except Refusal as reason:
        print(reason, file=sys.stderr)
        return 1
    return 0 if outcome.whole else 1


class _Progress:
    """Says now and then on standard error how far the copy is."""

    def __init__(self) -> None:
        self._said = time.monotonic()

    def __call__(self, done: int, of: int) -> None:
        if time.monotonic() - self._said >= _SECONDS_BETWEEN_LINES:
            self._said = time.monotonic()
            print(f"{done:,} of {of:,} runs", file=sys.stderr, flush=True)


def _source(place: str, settings: Callable[[], Settings]) -> Source:
    path = Path(place)
    if place == POSTGRES or path.is_file():
        return _tables(place, settings)
    if path.is_dir():
        return LocalFolder(path)
    raise Malformed(f"{place}: there is no such file or folder. Name one, or {POSTGRES}.")


def _tables(place: str, settings: Callable[[], Settings], dry_run: bool = False) -> Tables:
    if place != POSTGRES:
        if Path(place).is_dir():
            raise Malformed(f"{place}: a folder can only be copied from. Name a file of SQLite, or {POSTGRES}.")
        return SqliteTables(SqliteSettings(Path(place), _NOT_CUT_OFF), only_look=dry_run)
    database = settings().database
    if not isinstance(database, DatabaseSettings):
        raise WrongSettings([f"{POSTGRES}: the settings mean a file of SQLite. Unset MF_METADATA_DB_FILE."])
    return PostgresTables(database)


def _report(outcome: Outcome, source: Source, target: Tables, wish: Wish) -> str:
    runs = f"{outcome.copied.rows['runs']:,} runs from {source.address} to {target.address}"
    lines = [
        f"{'To be copied' if wish.dry_run else 'Copied'}: {runs}; {outcome.same:,} were there already.",
        f"  read:   {outcome.copied}",
    ]
    if not wish.dry_run:
        lines.append(f"  stored: {outcome.verified}")
    if outcome.differing:
        lines.append(f"{len(outcome.differing):,} runs are there and differ; --replace takes those of the source:")
        lines += [f"  {key}" for key in outcome.differing[:_NAMED_AT_MOST]]
    if outcome.failed:
        lines.append(f"{len(outcome.failed):,} runs could not be copied:")
        lines += [f"  {reason}" for reason in outcome.failed[:_NAMED_AT_MOST]]
    return "\n".join(lines)
