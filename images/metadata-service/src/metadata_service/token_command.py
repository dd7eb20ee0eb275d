"""The command that issues, lists, rotates and revokes tokens, on the database itself."""

from __future__ import annotations

import argparse
import asyncio
import datetime
import sys
import time
from dataclasses import replace

import msgspec

from metadata_service.domain.refusals import Refusal
from metadata_service.domain.tokens import SCOPES, IssuedToken, NewToken, Rotation, Token
from metadata_service.settings import DatabaseSettings, SqliteSettings, WrongSettings
from metadata_service.storage.interface import Tokens
from metadata_service.storage.opening import opened
from metadata_service.storage.token_keeping import issue_token, revoke_token, rotate_token

PURPOSE = "issue, list, rotate and revoke tokens, in the database of the settings"

_DAY = 86_400
_HOUR = 3_600
_SCOPES = {
    "read": "may read",
    "write": "may also record runs",
    "admin": "may also delete, and manage tokens if it reaches everything",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    issue = actions.add_parser("issue", help="print a new token; it is never shown again")
    issue.add_argument("name", metavar="NAME", help="whose it is; stands in the log with every request")
    meanings = ", ".join(f"{scope} {meaning}" for scope, meaning in _SCOPES.items())
    issue.add_argument("--scope", choices=SCOPES, required=True, help=meanings)
    reach = issue.add_mutually_exclusive_group()
    reach.add_argument("--flows", action="append", default=[], metavar="PREFIX", help="only flows named so; repeatable")
    reach.add_argument("--projects", action="append", default=[], metavar="PREFIX", help="only projects named so")
    issue.add_argument("--days", type=int, help="how long it is valid; without end if not given")
    actions.add_parser("list", help="print all tokens, without what is secret")
    rotate = actions.add_parser("rotate", help="print a new token with the rights of an old one, which ends later")
    rotate.add_argument("token_id", metavar="ID")
    rotate.add_argument("--overlap-hours", type=int, default=24, help="how long the old one stays valid; 24")
    revoke = actions.add_parser("revoke", help="end a token; within ten seconds no replica takes it")
    revoke.add_argument("token_id", metavar="ID")


def run(options: argparse.Namespace, database: DatabaseSettings | SqliteSettings) -> int:
    """Do it; gives the exit code: 1 when the database is away or has no such token. Raises WrongSettings."""
    if isinstance(database, DatabaseSettings):
        database = replace(database, own_tables=True)
    try:
        print(asyncio.run(_act(options, database)))
    except Refusal as reason:
        print(f"{database.address}: {reason}", file=sys.stderr)
        return 1
    return 0


async def _act(options: argparse.Namespace, database: DatabaseSettings | SqliteSettings) -> str:
    wish = _wish(options)
    async with opened(database) as storage:
        now = int(time.time())
        match wish:
            case NewToken():
                return _issued(await issue_token(storage.tokens, wish, now))
            case Rotation():
                return _issued(await rotate_token(storage.tokens, options.token_id, wish, now))
            case None if options.action == "revoke":
                return _line(await revoke_token(storage.tokens, options.token_id, now), now)
            case None:
                return await _listed(storage.tokens, now)


def _wish(options: argparse.Namespace) -> NewToken | Rotation | None:
    """What is asked for, checked as the API checks it."""
    try:
        if options.action == "issue":
            seconds = None if options.days is None else options.days * _DAY
            wish: dict[str, object] = {"name": options.name, "scope": options.scope, "valid_seconds": seconds}
            return msgspec.convert({**wish, "flows": options.flows, "projects": options.projects}, NewToken)
        if options.action == "rotate":
            return msgspec.convert({"overlap_seconds": options.overlap_hours * _HOUR}, Rotation)
    except msgspec.ValidationError as error:
        raise WrongSettings([f"tokens {options.action}: {error}. Correct it."]) from error
    return None


async def _listed(tokens: Tokens, now: int) -> str:
    return "\n".join(_line(token, now) for token in await tokens.list()) or "There are no tokens."


def _issued(issued: IssuedToken) -> str:
    # The token alone on standard output, to be read by another program.
    print(f"{issued.token_id}: {issued.name!r}, valid {_until(issued.expires_ts)}.", file=sys.stderr)
    return issued.token


def _line(token: Token, now: int) -> str:
    reach = [f"flows {prefix}*" for prefix in token.flows] + [f"projects {prefix}*" for prefix in token.projects]
    ended = token.expires_ts is not None and token.expires_ts <= now
    validity = f"ended {_time(token.expires_ts)}" if ended else f"valid {_until(token.expires_ts)}"
    return f"{token.token_id}  {token.scope:5}  {', '.join(reach) or 'everything'}  {validity}  {token.name!r}"


def _until(at: int | None) -> str:
    return "without end" if at is None else f"until {_time(at)}"


def _time(at: int | None) -> str:
    moment = datetime.datetime.fromtimestamp(at or 0, datetime.timezone.utc)
    return moment.strftime("%Y-%m-%d %H:%M UTC")
