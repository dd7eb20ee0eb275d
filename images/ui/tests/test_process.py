"""The program as it is started: settings, a database that comes late, and its end."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import psycopg
import pytest
from metadata_testbed.postgres import PostgresServer
from metadata_testbed.service import environment, free_port, run_command
from metadata_testbed.waiting import eventually

from metadata_service.settings import WrongSettings
from metadata_service.storage.postgres.migrate import LOCK
from ui_backend.settings import Settings

_PROGRAM = [sys.executable, "-m", "ui_backend", "serve"]


def test_wrong_settings_are_told_all_at_once() -> None:
    environ = {"MF_UI_METADATA_PORT": "many", "LOGLEVEL": "LOUD", "MF_METADATA_DB_HOST": "db"}
    with pytest.raises(WrongSettings) as wrong:
        Settings.from_environ(environ)
    named = [problem.partition(":")[0] for problem in wrong.value.problems]
    assert named == ["MF_UI_METADATA_PORT", "LOGLEVEL", "MF_METADATA_DB_USER", "MF_METADATA_DB_NAME"]


def test_settings_of_the_service_that_do_not_concern_the_ui_are_not_read(tmp_path: Path) -> None:
    environ = {
        "MF_METADATA_DB_FILE": str(tmp_path / "a.db"),
        "MF_METADATA_PORT": "many",
        "MF_METADATA_BODY_TIMEOUT": "x",
    }
    settings = Settings.from_environ(environ)
    assert (settings.port, settings.host, settings.old_ms) == (8083, "0.0.0.0", 86_400_000)


@pytest.mark.server
def test_it_waits_for_the_tables_and_ends_when_it_is_told(postgres: PostgresServer, tmp_path: Path) -> None:
    dsn, port = postgres.create_database("late"), free_port()
    settings = {"MF_METADATA_DB_DSN": dsn, "MF_UI_METADATA_HOST": "127.0.0.1", "MF_UI_METADATA_PORT": str(port)}
    log = tmp_path / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(_PROGRAM, env=environment(**settings), stdout=output, stderr=output)
    try:
        _answers(process, port, "/api/ping", 200)
        _answers(process, port, "/api/readyz", 503)
        # Before its first try it is not ready either, and says so in other words.
        eventually(lambda: _lacks(port, "The database is not ready"), within=60)
        assert run_command("migrate", MF_METADATA_DB_DSN=dsn).returncode == 0
        _answers(process, port, "/api/readyz", 200)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    finally:
        process.kill()
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [line for line in lines if "traceback" in line] == []
    assert any(line.get("path") == "/api/runs" and line["status"] == 503 for line in lines)


@pytest.mark.server
def test_it_keeps_out_of_the_way_of_migrations(postgres: PostgresServer, tmp_path: Path) -> None:
    """Both lock tables in an order of their own: at once, each could come to wait for the other."""
    dsn, port = postgres.create_database("migrated"), free_port()
    assert run_command("migrate", MF_METADATA_DB_DSN=dsn).returncode == 0
    settings = {"MF_METADATA_DB_DSN": dsn, "MF_UI_METADATA_HOST": "127.0.0.1", "MF_UI_METADATA_PORT": str(port)}
    with psycopg.connect(dsn, autocommit=True) as migrating, (tmp_path / "log").open("wb") as output:
        migrating.execute("SELECT pg_advisory_lock(%s)", [LOCK])
        process = subprocess.Popen(_PROGRAM, env=environment(**settings), stdout=output, stderr=output)
        try:
            _answers(process, port, "/api/readyz", 503)
            eventually(
                lambda: None if b"brought up to date" in (tmp_path / "log").read_bytes() else "silent", within=60
            )
            assert migrating.execute("SELECT to_regclass('tributary.changes')").fetchone() == (None,)
            migrating.execute("SELECT pg_advisory_unlock(%s)", [LOCK])
            _answers(process, port, "/api/readyz", 200)
        finally:
            process.kill()
            process.wait(30)


@pytest.mark.server
def test_a_port_that_is_taken_is_said_in_a_sentence(tmp_path: Path) -> None:
    settings = {"MF_METADATA_DB_FILE": str(tmp_path / "a.db"), "MF_UI_METADATA_HOST": "203.0.113.1"}
    done = subprocess.run(_PROGRAM, env=environment(**settings), capture_output=True, text=True, timeout=120)
    assert done.returncode == 2
    assert done.stderr.startswith("MF_UI_METADATA_PORT: cannot listen on 203.0.113.1:8083")


def _lacks(port: int, begin: str) -> str | None:
    """The message in place of runs, unless it begins like that."""
    message: str = httpx.get(f"http://127.0.0.1:{port}/api/runs", timeout=60).json()["message"]
    return None if message.startswith(begin) else message


def _answers(process: subprocess.Popen[bytes], port: int, path: str, status: int) -> None:
    def look() -> str | None:
        assert process.poll() is None
        try:
            got = httpx.get(f"http://127.0.0.1:{port}{path}", timeout=30).status_code
        except httpx.TransportError as error:
            return str(error)
        return None if got == status else f"{path}: {got}"

    eventually(look, within=60)
