"""The command line. Settings come from the environment only, so that no argument ever holds a secret."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence

from metadata_service import logs
from metadata_service.domain.refusals import StorageAway
from metadata_service.settings import WrongSettings
from ui_backend.serving import serve
from ui_backend.settings import KNOWN, Settings

REFUSED = 2
FAILED = 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; gives the exit code. 2 means that the settings are wrong, and says what on standard error."""
    _parser().parse_args(arguments)
    try:
        settings = Settings.from_environ(os.environ)
        logs.configure(settings.log_level)
        asyncio.run(serve(settings))
    except WrongSettings as wrong:
        print(wrong, file=sys.stderr)
        return REFUSED
    except StorageAway as error:
        print(f"{settings.database.address}: {error}", file=sys.stderr)
        return FAILED
    return 0


def _parser() -> argparse.ArgumentParser:
    width = max(map(len, KNOWN))
    settings = "\n".join(f"  {name:{width}}  {meaning}" for name, meaning in KNOWN.items())
    parser = argparse.ArgumentParser(
        prog="ui_backend",
        description="The backend of the UI, on the database of the metadata service.",
        epilog=f"settings, from the environment:\n{settings}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("serve", help="serve until SIGTERM")
    return parser
