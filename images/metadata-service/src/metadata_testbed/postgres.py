"""A PostgreSQL server of one's own: in a folder, on a socket in that folder, known by its process id only."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psycopg

from metadata_testbed.postgres_releases import unpack
from metadata_testbed.waiting import eventually

_USER = "metaflow"


def find_programs(folder: Path) -> Path:
    """The folder with initdb and postgres; of the release TRIBUTARY_POSTGRES, unpacked into the folder, if that is set.

    Raises FileNotFoundError where PostgreSQL's server is not installed.
    """
    if major := os.environ.get("TRIBUTARY_POSTGRES"):
        return unpack(major, folder)
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    # Debian keeps them off the PATH, one folder a version.
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if not installed:
        raise FileNotFoundError("initdb: no PostgreSQL server is installed. Install Debian's package postgresql.")
    return installed[-1].parent


class PostgresServer:
    """A server that is started, stopped, killed and started again on the same data."""

    def __init__(
        self,
        *,
        durable: bool = False,
        port: int = 0,
        certificate: tuple[Path, Path] | None = None,
        follows: PostgresServer | None = None,
    ) -> None:
        """`durable` waits for the disk at each commit. With a port it listens on 127.0.0.1 too, and with a certificate
        and its key it speaks TLS there. One that follows another server copies its data, by pg_basebackup, which only
        Debian's package has; then it only reads.
        """
        self._durable = durable
        self._port = port or 5432
        self._settings = [f"listen_addresses={'127.0.0.1' if port else ''}", f"port={self._port}"]
        # A short path: sockets have at most 107 characters.
        self.folder = Path(tempfile.mkdtemp(prefix="pg-"))
        self._programs = find_programs(self.folder)
        self._data = self.folder / "data"
        self._process: subprocess.Popen[bytes] | None = None
        if os.geteuid() == 0:
            # PostgreSQL refuses to run as root.
            shutil.chown(self.folder, "nobody")
        if certificate is not None:
            own = [Path(shutil.copy(file, self.folder)) for file in certificate]
            for file in own:
                file.chmod(0o600)
                if os.geteuid() == 0:
                    shutil.chown(file, "nobody")
            self._settings += ["ssl=on", f"ssl_cert_file={own[0]}", f"ssl_key_file={own[1]}"]
        options = [f"--username={_USER}", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"]
        if follows is not None:
            options = ["--write-recovery-conf", "--checkpoint=fast", "--no-sync", f"--dbname={follows.dsn()}"]
        make = "initdb" if follows is None else "pg_basebackup"
        subprocess.run(
            [self._programs / make, "-D", self._data, *options], check=True, capture_output=True, **_as_nobody()
        )

    def start(self) -> None:
        """Start it, and return when it takes connections."""

        def look() -> str | None:
            # After a kill the old processes may hold the shared memory for a moment, and the start fails.
            if self._process is None or self._process.poll() is not None:
                self._process = self._spawn()
            try:
                self.execute("SELECT 1")
            except psycopg.OperationalError as error:
                return str(error)
            return None

        eventually(look, within=60)

    def stop(self) -> None:
        """Shut it down. Sessions are ended, nothing is lost."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """End it as a crash does."""
        self._end(signal.SIGKILL)

    def remove(self) -> None:
        """Stop it and delete its data."""
        self.stop()
        shutil.rmtree(self.folder)

    def dsn(self, database: str = "postgres") -> str:
        return f"host={self.folder} port={self._port} user={_USER} dbname={database}"

    def connect(self, database: str = "postgres") -> psycopg.Connection[psycopg.rows.TupleRow]:
        """A connection in autocommit mode."""
        return psycopg.connect(self.dsn(database), autocommit=True)

    def execute(self, statement: str, parameters: Mapping[str, Any] | None = None, database: str = "postgres") -> None:
        with self.connect(database) as connection:
            connection.execute(statement, parameters)

    def rows(
        self, query: str, parameters: Mapping[str, Any] | None = None, database: str = "postgres"
    ) -> list[tuple[Any, ...]]:
        with self.connect(database) as connection:
            return connection.execute(query, parameters).fetchall()

    def create_database(self, name: str, template: str = "template0") -> str:
        """Make a database; gives its DSN."""
        self.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return self.dsn(name)

    def _spawn(self) -> subprocess.Popen[bytes]:
        settings = [*self._settings, f"unix_socket_directories={self.folder}", "max_connections=200"]
        if not self._durable:
            # Without flushing to the disk: what survives the death of processes does so anyway.
            settings.append("fsync=off")
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(
                [
                    self._programs / "postgres",
                    "-D",
                    self._data,
                    *(part for setting in settings for part in ("-c", setting)),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **_as_nobody(),
            )

    def _end(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(60)
            self._process = None


def _as_nobody() -> dict[str, Any]:
    if os.geteuid() != 0:
        return {}
    return {"user": "nobody", "group": "nogroup", "extra_groups": []}
