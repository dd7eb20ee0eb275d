"""The command line. Settings come from the environment only, so that no argument ever holds a secret."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import psycopg

from metadata_service import laptop, logs, token_command
from metadata_service.domain.refusals import StorageAway
from metadata_service.retention import command as retention_command
from metadata_service.serving import serve
from metadata_service.settings import KNOWN, DatabaseSettings, Settings, SqliteSettings, WrongSettings
from metadata_service.storage.postgres.connections import connect
from metadata_service.storage.postgres.migrate import Plan, migrate, plan
from metadata_service.storage.postgres.translation import one_line
from metadata_service.transfer import command as copy_command

REFUSED = 2
FAILED = 1

_CURRENT = "The schema was up to date."

log = logging.getLogger(__name__)

_COMMANDS = {
    "serve": "bring the schema up to date, and serve until SIGTERM",
    "migrate": "bring the schema up to date, and end",
    "check": "say whether the database is there and its schema up to date; changes nothing; exit code 1 if not",
}

_LAPTOP = "serve, with the UI, on a file of SQLite, for this machine only, and say how Metaflow is pointed at it"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; gives the exit code. 2 means that the settings are wrong, and says what on standard error."""
    options = _parser().parse_args(arguments)
    try:
        if options.command == "laptop":
            return _serve_laptop(options)
        if options.command == "copy":
            return copy_command.run(options, lambda: Settings.from_environ(os.environ))
        if options.command == "tokens":
            return token_command.run(options, Settings.from_environ(os.environ).database)
        if options.command == "retention":
            return retention_command.run(options, Settings.from_environ(os.environ).database)
        return _run(options.command, Settings.from_environ(os.environ))
    except WrongSettings as wrong:
        print(wrong, file=sys.stderr)
        return REFUSED


def _run(command: str, settings: Settings) -> int:
    logs.configure(settings.log_level)
    for name in settings.unknown:
        log.warning("%s is not a setting of this service and has no effect", name)
    database = settings.database
    try:
        if command == "serve":
            asyncio.run(serve(settings))
            return 0
        if isinstance(database, SqliteSettings):
            return _on_sqlite(command, database)
        return asyncio.run(_migrate(database) if command == "migrate" else _check(database))
    except (psycopg.Error, StorageAway) as error:
        reason = one_line(error) if isinstance(error, psycopg.Error) else str(error).rstrip(".")
        print(f"{database.address}: {reason}.", file=sys.stderr)
        return FAILED


def _serve_laptop(options: argparse.Namespace) -> int:
    folder = options.data or laptop.default_folder(os.environ)
    profile = laptop.Profile.named(options.write_profile, os.environ) if options.write_profile is not None else None
    settings = laptop.laptop_settings(folder, options.port, os.environ)
    logs.configure(settings.log_level)

    ui = laptop.ui_beside(settings, options.ui_port, os.environ)

    def listening(port: int) -> None:
        if profile is not None:
            profile.write(laptop.metaflow_settings(port))
        told = laptop.WITHOUT_UI if ui is None else ui.told
        print(laptop.instructions(settings, port, profile, told), flush=True)

    try:
        asyncio.run(serve(settings, listening, ui))
    except StorageAway as error:
        print(f"{settings.database.address}: {error}", file=sys.stderr)
        return FAILED
    return 0


def _on_sqlite(command: str, database: SqliteSettings) -> int:
    # Not imported with the service on PostgreSQL, which would only grow by it.
    from metadata_service.storage.sqlite.upkeep import bring_up_to_date, pending

    if command == "migrate":
        print("Done: the tables were made or updated." if bring_up_to_date(database) else _CURRENT)
        return 0
    todo = pending(database)
    print(f"To be done: {todo}. Run migrate." if todo else _CURRENT.replace("was", "is"))
    return FAILED if todo else 0


async def _migrate(database: DatabaseSettings) -> int:
    async with await connect(database) as connection:
        done = await migrate(connection)
    print(_CURRENT if done.current else f"Done: {_in_words(done)}.")
    return 0


async def _check(database: DatabaseSettings) -> int:
    async with await connect(database) as connection:
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
        description="Metaflow's metadata service, on PostgreSQL or in a file of SQLite.",
        epilog=f"settings, from the environment:\n{settings}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, meaning in _COMMANDS.items():
        commands.add_parser(name, help=meaning, description=f"{meaning[0].upper()}{meaning[1:]}.")
    _add_laptop(commands)
    purpose = copy_command.PURPOSE
    copy_command.add_arguments(commands.add_parser("copy", help=purpose, description=f"{purpose.capitalize()}."))
    purpose = token_command.PURPOSE
    token_command.add_arguments(commands.add_parser("tokens", help=purpose, description=f"{purpose.capitalize()}."))
    purpose = retention_command.PURPOSE
    retention = commands.add_parser("retention", help=purpose, description=f"{purpose.capitalize()}.")
    retention_command.add_arguments(retention)
    return parser


def _add_laptop(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("laptop", help=_LAPTOP, description=f"{_LAPTOP[0].upper()}{_LAPTOP[1:]}.")
    parser.add_argument(
        "--data",
        type=Path,
        metavar="FOLDER",
        help="where the file is kept; $XDG_DATA_HOME/tributary, or ~/.local/share/tributary",
    )
    parser.add_argument(
        "--port",
        type=int,
        default=laptop.DEFAULT_PORT,
        help=f"port of 127.0.0.1 to listen on, 0 for any that is free; {laptop.DEFAULT_PORT}",
    )
    parser.add_argument(
        "--ui-port", type=int, metavar="PORT", help=f"the same for the UI; {laptop.DEFAULT_UI_PORT}, 0 if --port is 0"
    )
    parser.add_argument(
        "--write-profile", metavar="NAME", help="write Metaflow's profile of this name, instead of lines to be pasted"
    )
