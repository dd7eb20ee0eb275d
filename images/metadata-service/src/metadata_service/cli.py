"""The command line. Settings come from the environment only, so that no argument ever holds a secret."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys
from collections.abc import Sequence

import psycopg

from metadata_service import logs
from metadata_service.serving import serve
from metadata_service.settings import KNOWN, Settings, WrongSettings
from metadata_service.storage.postgres.connections import connect
from metadata_service.storage.postgres.migrate import Plan, migrate, plan
from metadata_service.storage.postgres.translation import one_line

REFUSED = 2
FAILED = 1

log = logging.getLogger(__name__)

_COMMANDS = {
    "serve": "bring the schema up to date, and serve until SIGTERM",
    "migrate": "bring the schema up to date, and end",
    "check": "say whether the database is there and its schema up to date; changes nothing; exit code 1 if not",
}


def main(arguments: Sequence[str]) -> int:
    """Run one command; gives the exit code. 2 means that the settings are wrong, and says what on standard error."""
    command: str = _parser().parse_args(arguments).command
    try:
        return _run(command, Settings.from_environ(os.environ))
    except WrongSettings as wrong:
        print(wrong, file=sys.stderr)
        return REFUSED


def _run(command: str, settings: Settings) -> int:
    logs.configure(settings.log_level)
    for name in settings.unknown:
        log.warning("%s is not a setting of this service and has no effect", name)
    if command == "serve":
        asyncio.run(serve(settings))
        return 0
    try:
        return asyncio.run(_migrate(settings) if command == "migrate" else _check(settings))
    except psycopg.Error as error:
        print(f"{settings.database.address}: {one_line(error)}.", file=sys.stderr)
        return FAILED


async def _migrate(settings: Settings) -> int:
    async with await connect(settings.database) as connection:
        done = await migrate(connection)
    print("The schema was up to date." if done.current else f"Done: {_in_words(done)}.")
    return 0


async def _check(settings: Settings) -> int:
    async with await connect(settings.database) as connection:
        todo = await plan(connection)
    print("The schema is up to date." if todo.current else f"To be done: {_in_words(todo)}. Run migrate.")
    return 0 if todo.current else FAILED


def _in_words(todo: Plan) -> str:
    parts = [f"version {step.version} ({step.name})" for step in todo.pending]
    parts += [f"an index built anew: {' '.join(statement.split())}" for statement in todo.broken]
    return ", ".join(parts)


def _parser() -> argparse.ArgumentParser:
    width = max(map(len, KNOWN))
    settings = "\n".join(f"  {name:{width}}  {meaning}" for name, meaning in KNOWN.items())
    parser = argparse.ArgumentParser(
        prog="metadata_service",
        description="Metaflow's metadata service on PostgreSQL.",
        epilog=f"settings, from the environment:\n{settings}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, meaning in _COMMANDS.items():
        commands.add_parser(name, help=meaning, description=f"{meaning[0].upper()}{meaning[1:]}.")
    return parser
