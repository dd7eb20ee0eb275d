"""Between the service and PostgreSQL: TLS, and a pooler that shares sessions."""

from __future__ import annotations

import datetime
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from metadata_testbed.api import Api
from metadata_testbed.postgres import PostgresServer
from metadata_testbed.service import Service, free_port, run_command
from metadata_testbed.waiting import eventually

pytestmark = pytest.mark.server

StartService = Callable[..., Service]
OpenApi = Callable[[Service], Api]


def make_certificate(folder: Path, host: str) -> tuple[Path, Path]:
    """A certificate for the host that is its own authority, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, host)])
    now = datetime.datetime.now(datetime.timezone.utc)
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate, private = folder / f"{host}.crt", folder / f"{host}.key"
    certificate.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    private.chmod(0o600)
    return certificate, private


def test_with_verify_full_only_the_right_server_is_spoken_to(
    tmp_path: Path, start_service: StartService, open_api: OpenApi
) -> None:
    port = free_port()
    certificate, key = make_certificate(tmp_path, "localhost")
    server = PostgresServer(certificate=(certificate, key), port=port)
    server.start()
    try:
        server.execute("CREATE DATABASE tls")
        settings = {
            "MF_METADATA_DB_SSL_MODE": "verify-full",
            "MF_METADATA_DB_SSL_ROOT_CERT_PATH": str(certificate),
        }
        service = start_service(f"host=localhost port={port} user=metaflow dbname=tls", **settings)
        service.wait_until()
        assert open_api(service).new_run()
        used = "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE datname = 'tls'"
        assert server.rows(used) == [(True,)]

        elsewhere = start_service(f"host=127.0.0.1 port={port} user=metaflow dbname=tls", **settings)
        elsewhere.wait_for_log("does not match host name")
        elsewhere.wait_until("/readyz", 503)
        (tmp_path / "other").mkdir()
        other, _ = make_certificate(tmp_path / "other", "localhost")
        settings["MF_METADATA_DB_SSL_ROOT_CERT_PATH"] = str(other)
        stranger = start_service(f"host=localhost port={port} user=metaflow dbname=tls", **settings)
        stranger.wait_for_log("certificate verify failed")
        stranger.wait_until("/readyz", 503)
    finally:
        server.remove()


@pytest.fixture
def pgbouncer(postgres: PostgresServer, tmp_path: Path) -> Iterator[int]:
    """PgBouncer of Debian's package, in transaction mode with two sessions for all; gives its port."""
    # Debian keeps it off a user's PATH.
    program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        raise FileNotFoundError("pgbouncer: not installed. Install Debian's package pgbouncer.")
    port = free_port()
    users = tmp_path / "users.txt"
    users.write_text('"metaflow" ""\n')
    config = tmp_path / "pgbouncer.ini"
    config.write_text(
        f"[databases]\n* = host={postgres.folder} port=5432\n"
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nauth_type = trust\nauth_file = {users}\n"
        "unix_socket_dir =\npool_mode = transaction\ndefault_pool_size = 2\n"
    )
    tmp_path.chmod(0o755)
    for folder in (tmp_path.parent, tmp_path.parent.parent):
        folder.chmod(0o755)
    as_root = {"user": "nobody", "group": "nogroup", "extra_groups": []} if os.geteuid() == 0 else {}
    process = subprocess.Popen([program, str(config)], stderr=subprocess.DEVNULL, **as_root)  # type: ignore[call-overload]
    yield port
    process.send_signal(signal.SIGINT)
    process.wait(30)


@pytest.mark.long
def test_behind_a_pooler_that_shares_sessions(
    postgres: PostgresServer,
    new_database: Callable[[], str],
    pgbouncer: int,
    start_service: StartService,
    open_api: OpenApi,
) -> None:
    database = new_database()
    service = start_service(
        f"host=127.0.0.1 port={pgbouncer} user=metaflow dbname={database}", MF_METADATA_DB_POOLER="transaction"
    )
    service.wait_until("/ping")
    service.wait_for_log("Run migrate, on PostgreSQL itself")
    service.wait_until("/readyz", 503)
    assert run_command("migrate", MF_METADATA_DB_DSN=postgres.dsn(database)).returncode == 0
    service.wait_until()
    api = open_api(service)
    step = api.new_step()

    def work(number: int) -> int:
        task = api.new_task(step)
        for each in range(10):
            api.post(task + "/artifact", [{"name": f"a{number}-{each}"}])
            api.get(task + "/artifacts")
        api.patch(step.split("/steps/")[0] + "/tag/mutate", {"tags_to_add": [f"t{number}"]})
        return len(api.get(task + "/artifacts"))

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(work, range(16))) == [10] * 16
    assert len(api.get(step.split("/steps/")[0])["tags"]) == 16
    assert api.http.delete(step.split("/steps/")[0]).json()["tasks"] == 16


@pytest.mark.long
def test_lists_are_read_from_a_replica_as_long_as_it_answers(
    own_postgres: PostgresServer, start_service: StartService, open_api: OpenApi
) -> None:
    replica = PostgresServer(follows=own_postgres)
    replica.start()
    try:
        service = start_service(own_postgres.dsn(), MF_METADATA_DB_READ_REPLICA_HOST=str(replica.folder))
        service.wait_until()
        api = open_api(service)
        flow = api.new_flow()
        eventually(lambda: None if here_twice(service) and asked(replica) else "the replica is not found", within=120)
        replica.execute("SELECT pg_wal_replay_pause()")
        run = api.new_run(flow)
        assert api.get(run) and api.get(flow + "/runs") == []
        replica.execute("SELECT pg_wal_replay_resume()")
        eventually(lambda: None if api.get(flow + "/runs") else "the run is not listed", within=120)
        replica.kill()
        eventually(lambda: None if api.http.get(flow + "/runs").status_code == 200 else "503", within=120)
        assert [each["flow_id"] for each in api.get("/flows")] == [flow.rpartition("/")[2]]
        assert service.end() == 0
        assert not [line for line in service.log_lines() if "traceback" in line]
    finally:
        replica.remove()


def asked(server: PostgresServer) -> bool:
    """Whether anybody else has a session on the server."""
    others = "SELECT 1 FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
    return bool(server.rows(others))


def here_twice(service: Service) -> bool:
    """Whether the database and its replica were found, one of them perhaps again."""
    return [line["message"] for line in service.log_lines()].count("the database is here") >= 2
