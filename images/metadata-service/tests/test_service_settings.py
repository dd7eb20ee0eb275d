"""Settings come from the environment; wrong ones are told all at once, and no secret is ever shown."""

from __future__ import annotations

from pathlib import Path

import pytest
from metadata_testbed.service import run_command
from psycopg.conninfo import conninfo_to_dict

from metadata_service.settings import KNOWN, DatabaseSettings, Settings, SqliteSettings, WrongSettings

PARTS = {
    "MF_METADATA_DB_HOST": "db",
    "MF_METADATA_DB_PORT": "5433",
    "MF_METADATA_DB_USER": "metaflow",
    "MF_METADATA_DB_PSWD": "p'a ss\\word",
    "MF_METADATA_DB_NAME": "runs",
}


def problems(**environ: str) -> list[str]:
    with pytest.raises(WrongSettings) as wrong:
        Settings.from_environ(environ)
    return wrong.value.problems


def postgres(**environ: str) -> DatabaseSettings:
    database = Settings.from_environ({**PARTS, **environ}).database
    assert isinstance(database, DatabaseSettings)
    return database


def test_parts_make_a_connection_string() -> None:
    settings, database = Settings.from_environ(PARTS), postgres()
    assert conninfo_to_dict(database.conninfo) == {
        "host": "db",
        "port": "5433",
        "user": "metaflow",
        "password": "p'a ss\\word",
        "dbname": "runs",
    }
    assert (settings.host, settings.port) == ("0.0.0.0", 8080)
    assert (database.pool_min, database.pool_max) == (1, 10)


def test_a_connection_string_takes_the_place_of_the_parts() -> None:
    settings = Settings.from_environ({**PARTS, "MF_METADATA_DB_DSN": "postgresql://u:secret@other/name"})
    assert settings.database.address == "other:5432/name"


def test_tls_settings_are_added(tmp_path: Path) -> None:
    root = tmp_path / "root.pem"
    root.touch()
    tls = {"MF_METADATA_DB_SSL_MODE": "Verify-Full", "MF_METADATA_DB_SSL_ROOT_CERT_PATH": str(root)}
    parts = conninfo_to_dict(postgres(**tls).conninfo)
    assert (parts["sslmode"], parts["sslrootcert"]) == ("verify-full", str(root))


def test_a_file_means_sqlite() -> None:
    settings = Settings.from_environ({"MF_METADATA_DB_FILE": "/data/m.db", "RUN_INACTIVE_CUTOFF_TIME": "60"})
    assert settings.database == SqliteSettings(Path("/data/m.db"), 60)
    assert settings.database.address == "/data/m.db"
    (problem,) = problems(**PARTS, MF_METADATA_DB_FILE="/data/m.db")
    assert "MF_METADATA_DB_HOST" in problem and "SQLite" in problem


def test_secrets_are_not_shown() -> None:
    assert "ss" not in repr(Settings.from_environ(PARTS).database)


def test_all_problems_are_told() -> None:
    found = problems(
        MF_METADATA_PORT="http",
        MF_METADATA_DB_PORT="70000",
        MF_METADATA_DB_POOL_MIN="5",
        MF_METADATA_DB_POOL_MAX="2",
        MF_METADATA_DB_TIMEOUT="0",
        MF_METADATA_DB_SSL_MODE="always",
        MF_METADATA_DB_SSL_KEY_PATH="/nowhere",
        LOGLEVEL="loud",
    )
    assert {line.partition(":")[0] for line in found} == {
        "MF_METADATA_PORT",
        "MF_METADATA_DB_HOST",
        "MF_METADATA_DB_PORT",
        "MF_METADATA_DB_USER",
        "MF_METADATA_DB_NAME",
        "MF_METADATA_DB_POOL_MIN",
        "MF_METADATA_DB_TIMEOUT",
        "MF_METADATA_DB_SSL_MODE",
        "MF_METADATA_DB_SSL_KEY_PATH",
        "LOGLEVEL",
    }


def test_a_broken_connection_string_is_not_quoted() -> None:
    (line,) = problems(MF_METADATA_DB_DSN="host=db password=hunter2 nonsense")
    assert line.startswith("MF_METADATA_DB_DSN")
    assert "hunter2" not in line


def test_what_looks_like_a_setting_and_is_none_is_found() -> None:
    assert Settings.from_environ({**PARTS, "MF_METADATA_DB_HOTS": "x"}).unknown == ("MF_METADATA_DB_HOTS",)


def test_the_program_refuses_wrong_settings() -> None:
    done = run_command("serve", MF_METADATA_DB_HOST="db", MF_METADATA_DB_USER="u")
    assert done.returncode == 2
    assert done.stderr == "MF_METADATA_DB_NAME: is not set. Set it, or MF_METADATA_DB_DSN in its place.\n"


def test_help_lists_every_setting() -> None:
    done = run_command("--help")
    assert done.returncode == 0
    assert all(name in done.stdout for name in KNOWN)


def test_who_may_do_what_is_set() -> None:
    access = Settings.from_environ({**PARTS, "MF_METADATA_AUTH": "Tokens", "MF_METADATA_ADMIN_TOKEN": "x" * 20}).access
    assert access.tokens and access.admin_digest and "xxx" not in repr(access)
    assert Settings.from_environ(PARTS).access.tokens is False
    assert postgres(MF_METADATA_AUTH="tokens").own_tables and not postgres().own_tables
    (problem,) = problems(**PARTS, MF_METADATA_ADMIN_TOKEN="too-short")
    assert "MF_METADATA_ADMIN_TOKEN" in problem and "too-short" not in problem
    access = Settings.from_environ({**PARTS, "MF_METADATA_WRITE_TOKEN": "y" * 20}).access
    assert access.write_digest and not access.admin_digest and "yyy" not in repr(access)
    assert len(problems(**PARTS, MF_METADATA_WRITE_TOKEN="short", MF_METADATA_ADMIN_TOKEN="short")) == 2
    (problem,) = problems(**PARTS, MF_METADATA_TRUSTED_HEADER="x-user")
    assert "MF_METADATA_TRUSTED_PROXIES" in problem
    (problem,) = problems(**PARTS, MF_METADATA_TRUSTED_PROXIES="10.0.0.1/8")
    assert "has host bits set" in problem
