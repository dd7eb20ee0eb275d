"""What can be set, all of it in the environment, under the names of upstream's service."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias, TypeVar

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from metadata_service.domain.tokens import digest

_SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_POOLERS = ("none", "transaction")
_AUTH = ("off", "tokens")
SHORTEST_TOKEN = 20
_LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")

KNOWN = {
    "MF_METADATA_HOST": "address to listen on; 0.0.0.0",
    "MF_METADATA_PORT": "port to listen on; 8080",
    "MF_METADATA_DB_HOST": "host of PostgreSQL",
    "MF_METADATA_DB_PORT": "its port; 5432",
    "MF_METADATA_DB_USER": "user to log in as",
    "MF_METADATA_DB_PSWD": "password of that user; none",
    "MF_METADATA_DB_NAME": "database to use",
    "MF_METADATA_DB_DSN": "connection string, in place of the five above",
    "MF_METADATA_DB_FILE": "file of SQLite, in place of PostgreSQL",
    "MF_METADATA_DB_POOL_MIN": "connections to keep open; 1",
    "MF_METADATA_DB_POOL_MAX": "connections to open at most; 10",
    "MF_METADATA_DB_TIMEOUT": "seconds that a request waits for a connection; 10",
    "MF_METADATA_DB_READ_REPLICA_HOST": "host of a replica that lists are read from; none",
    "MF_METADATA_DB_POOLER": f"one of {', '.join(_POOLERS)}; transaction: behind PgBouncer in that mode",
    "MF_METADATA_DB_STATEMENT_TIMEOUT": "seconds that a statement may take; 30",
    "MF_METADATA_DB_SSL_MODE": f"one of {', '.join(_SSL_MODES)}; prefer",
    "MF_METADATA_DB_SSL_CERT_PATH": "file with the client's certificate; none",
    "MF_METADATA_DB_SSL_KEY_PATH": "file with the client's key; none",
    "MF_METADATA_DB_SSL_ROOT_CERT_PATH": "file with the certificates to trust; none",
    "MF_METADATA_AUTH": f"one of {', '.join(_AUTH)}; off: whoever reaches the port may do everything",
    "MF_METADATA_ADMIN_TOKEN": "a token that may do everything, besides those that are issued; none",
    "MF_METADATA_WRITE_TOKEN": "a token that may read and write, besides those that are issued; none",
    "MF_METADATA_TOKEN_RATE": "requests that a token may make a second, of each replica; 0: as many as it likes",
    "MF_METADATA_TRUSTED_HEADER": "header in which a proxy names whom it let in, who may then read; none",
    "MF_METADATA_TRUSTED_PROXIES": "networks whose word on that header counts, such as 10.0.0.0/8,::1/128",
    "MF_METADATA_MAX_BODY_BYTES": "the largest body of a request; 16777216",
    "MF_METADATA_BODY_TIMEOUT": "seconds in which a body must arrive; 60",
    "RUN_INACTIVE_CUTOFF_TIME": "seconds without a heartbeat after which a run counts as failed; 360",
    "LOGLEVEL": f"one of {', '.join(_LOG_LEVELS)}; INFO",
}
"""Every setting, with what it means and its default."""

T = TypeVar("T")

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network


class WrongSettings(Exception):
    """The environment does not say how to run. Carries one sentence for each thing that is wrong."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True)
class DatabaseSettings:
    conninfo: str
    """For libpq; holds the password, so it is never shown."""
    pool_min: int
    pool_max: int
    timeout_seconds: float
    statement_seconds: float
    run_cutoff_seconds: int
    own_tables: bool
    """Whether there are tables besides upstream's."""
    shared_sessions: bool
    """Whether a pooler stands between, so that nothing of a session outlives a transaction."""
    replica_host: str = ""
    """A server that follows the database, for lists; empty when there is none."""

    def __repr__(self) -> str:
        return f"DatabaseSettings({self.address})"

    def replica(self) -> DatabaseSettings | None:
        """The same for the replica, if there is one."""
        if not self.replica_host:
            return None
        return replace(self, conninfo=make_conninfo(self.conninfo, host=self.replica_host), replica_host="")

    @property
    def address(self) -> str:
        """Where the database is, without secrets."""
        parts = conninfo_to_dict(self.conninfo)
        return f"{parts.get('host', '')}:{parts.get('port', 5432)}/{parts.get('dbname', '')}"


@dataclass(frozen=True)
class SqliteSettings:
    file: Path
    run_cutoff_seconds: int
    statement_seconds: float = 30.0

    @property
    def address(self) -> str:
        return str(self.file)


@dataclass(frozen=True)
class Limits:
    """What a request may ask of the service."""

    max_body_bytes: int
    body_seconds: float


@dataclass(frozen=True)
class AccessSettings:
    """Who may do what."""

    tokens: bool = False
    """Whether callers must show who they are."""
    admin_digest: str = ""
    """Of the token of the settings that may do everything; empty when there is none."""
    write_digest: str = ""
    """Of the token of the settings that may read and write; empty when there is none."""
    requests_per_second: float = 0.0
    trusted_header: str = ""
    trusted_proxies: tuple[Network, ...] = ()


@dataclass(frozen=True)
class Settings:
    host: str
    port: int
    log_level: str
    database: DatabaseSettings | SqliteSettings
    limits: Limits
    access: AccessSettings
    unknown: tuple[str, ...]
    """Variables that look like ours and are not."""

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Settings:
        """Read all settings. Raises WrongSettings with everything that is wrong, not only the first."""
        read = _Reader(environ)
        access = _access(read)
        settings = cls(
            host=read.text("MF_METADATA_HOST", "0.0.0.0"),
            port=read.number("MF_METADATA_PORT", 8080, 0, 65535),
            log_level=read.choice("LOGLEVEL", "INFO", _LOG_LEVELS, str.upper),
            database=_database(read, own_tables=access.tokens),
            limits=_limits(read),
            access=access,
            unknown=tuple(sorted(name for name in environ if name.startswith("MF_METADATA_") and name not in KNOWN)),
        )
        if read.problems:
            raise WrongSettings(read.problems)
        return settings


class _Reader:
    """Reads one variable at a time and gathers what is wrong. An empty variable counts as unset."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.problems: list[str] = []

    def wrong(self, name: str, sentence: str) -> None:
        self.problems.append(f"{name}: {sentence}")

    def text(self, name: str, default: str = "") -> str:
        return self._environ.get(name) or default

    def number(self, name: str, default: int, low: int, high: int) -> int:
        value = self._parsed(name, default, int)
        if value is None or not low <= value <= high:
            self.wrong(name, f"{self.text(name)!r} is not a whole number from {low} to {high}. Give one or unset it.")
            return default
        return value

    def seconds(self, name: str, default: float) -> float:
        value = self._parsed(name, default, float)
        if value is None or not 0 < value <= 3600:
            self.wrong(name, f"{self.text(name)!r} is not a number of seconds up to 3600. Give one or unset it.")
            return default
        return value

    def rate(self, name: str) -> float:
        value = self._parsed(name, 0.0, float)
        if value is None or not 0 <= value <= 10**6:
            self.wrong(name, f"{self.text(name)!r} is not a number up to a million. Give one or unset it.")
            return 0.0
        return value

    def choice(self, name: str, default: str, choices: tuple[str, ...], fold: Callable[[str], str]) -> str:
        value = fold(self.text(name, default))
        if value not in choices:
            self.wrong(name, f"{self.text(name)!r} is not one of {', '.join(choices)}. Choose one or unset it.")
        return value

    def networks(self, name: str) -> tuple[Network, ...]:
        try:
            return tuple(ipaddress.ip_network(part.strip()) for part in self.text(name).split(",") if part.strip())
        except ValueError as error:
            self.wrong(name, f"{error}. Write networks such as 10.0.0.0/8, separated by commas.")
            return ()

    def file(self, name: str) -> str | None:
        path = self.text(name)
        if path and not os.path.isfile(path):
            self.wrong(name, f"there is no file {path!r}. Mount it or unset the variable.")
        return path or None

    def _parsed(self, name: str, default: T, parse: Callable[[str], T]) -> T | None:
        text = self.text(name)
        try:
            return parse(text) if text else default
        except ValueError:
            return None


def _limits(read: _Reader) -> Limits:
    # A task's artifacts take some 500 bytes each, and a metadata value is a text that people read.
    return Limits(
        max_body_bytes=read.number("MF_METADATA_MAX_BODY_BYTES", 16 * 2**20, 1, 2**30),
        body_seconds=read.seconds("MF_METADATA_BODY_TIMEOUT", 60.0),
    )


def _access(read: _Reader) -> AccessSettings:
    header, proxies = read.text("MF_METADATA_TRUSTED_HEADER"), read.networks("MF_METADATA_TRUSTED_PROXIES")
    if header and not proxies:
        read.wrong("MF_METADATA_TRUSTED_PROXIES", "is not set, so anybody could send the header. Name the networks.")
    return AccessSettings(
        tokens=read.choice("MF_METADATA_AUTH", "off", _AUTH, str.lower) == "tokens",
        admin_digest=_token_digest(read, "MF_METADATA_ADMIN_TOKEN"),
        write_digest=_token_digest(read, "MF_METADATA_WRITE_TOKEN"),
        requests_per_second=read.rate("MF_METADATA_TOKEN_RATE"),
        trusted_header=header,
        trusted_proxies=proxies,
    )


def _token_digest(read: _Reader, name: str) -> str:
    token = read.text(name)
    if token and len(token) < SHORTEST_TOKEN:
        # The token itself is not repeated.
        read.wrong(name, f"has less than {SHORTEST_TOKEN} characters. Give a longer one.")
    return digest(token) if token else ""


def _database(read: _Reader, *, own_tables: bool) -> DatabaseSettings | SqliteSettings:
    cutoff = read.number("RUN_INACTIVE_CUTOFF_TIME", 360, 1, 10**9)
    statement_seconds = read.seconds("MF_METADATA_DB_STATEMENT_TIMEOUT", 30.0)
    if file := read.text("MF_METADATA_DB_FILE"):
        for name in ("MF_METADATA_DB_HOST", "MF_METADATA_DB_DSN"):
            if read.text(name):
                read.wrong(name, "means PostgreSQL, and MF_METADATA_DB_FILE means SQLite. Unset one of the two.")
        return SqliteSettings(Path(file), cutoff, statement_seconds)
    conninfo = _conninfo(read)
    pool_max = read.number("MF_METADATA_DB_POOL_MAX", 10, 1, 1000)
    pool_min = read.number("MF_METADATA_DB_POOL_MIN", min(1, pool_max), 0, 1000)
    if pool_min > pool_max:
        read.wrong("MF_METADATA_DB_POOL_MIN", f"{pool_min} is more than MF_METADATA_DB_POOL_MAX. Lower it.")
    return DatabaseSettings(
        conninfo=conninfo,
        pool_min=pool_min,
        pool_max=pool_max,
        timeout_seconds=read.seconds("MF_METADATA_DB_TIMEOUT", 10.0),
        statement_seconds=statement_seconds,
        run_cutoff_seconds=cutoff,
        own_tables=own_tables,
        replica_host=read.text("MF_METADATA_DB_READ_REPLICA_HOST"),
        shared_sessions=read.choice("MF_METADATA_DB_POOLER", "none", _POOLERS, str.lower) == "transaction",
    )


def _conninfo(read: _Reader) -> str:
    dsn = read.text("MF_METADATA_DB_DSN")
    mode = read.text("MF_METADATA_DB_SSL_MODE")
    parts: dict[str, str | int | None] = {
        "sslmode": read.choice("MF_METADATA_DB_SSL_MODE", "prefer", _SSL_MODES, str.lower) if mode else None,
        "sslcert": read.file("MF_METADATA_DB_SSL_CERT_PATH"),
        "sslkey": read.file("MF_METADATA_DB_SSL_KEY_PATH"),
        "sslrootcert": read.file("MF_METADATA_DB_SSL_ROOT_CERT_PATH"),
    }
    if not dsn:
        for name, variable in (("host", "HOST"), ("user", "USER"), ("dbname", "NAME")):
            parts[name] = read.text(f"MF_METADATA_DB_{variable}")
            if not parts[name]:
                read.wrong(f"MF_METADATA_DB_{variable}", "is not set. Set it, or MF_METADATA_DB_DSN in its place.")
        parts["port"] = read.number("MF_METADATA_DB_PORT", 5432, 1, 65535)
        parts["password"] = read.text("MF_METADATA_DB_PSWD") or None
    try:
        return make_conninfo(dsn, **parts)
    except psycopg.ProgrammingError:
        # What the driver says is left out: it may quote the part with the password.
        read.wrong("MF_METADATA_DB_DSN", "is not a connection string of PostgreSQL. Write postgresql://USER@HOST/NAME.")
        return ""
