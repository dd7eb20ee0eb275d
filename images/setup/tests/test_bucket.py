"""Bucket, policy and limited key on a real MinIO."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from release_setup.__main__ import main
from release_setup.bucket import AccessKey
from release_setup.errors import Refused

ROOT_KEY = ("ROOTACCESSKEY0000000", "root-secret-of-the-test-0123456789abcdef")
LIMITED_KEY = ("LIMITEDACCESSKEY0000", "limited-secret-of-the-test-0123456789abc")


@dataclass(frozen=True)
class Server:
    """How to start MinIO on a port that was free a moment ago."""

    binary: Path
    data: Path
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [self.binary, "server", self.data, "--address", f"127.0.0.1:{self.port}", "--quiet"],
            env={
                "HOME": str(self.data.parent),
                "MINIO_ROOT_USER": ROOT_KEY[0],
                "MINIO_ROOT_PASSWORD": ROOT_KEY[1],
                "MINIO_BROWSER": "off",
                "MINIO_UPDATE": "off",
                "GOMEMLIMIT": "128MiB",
            },
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )


def write_key(folder: Path, key: tuple[str, str]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "access-key").write_text(key[0])
    (folder / "secret-key").write_text(key[1])
    return folder


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Server:
    """A server that is not running."""
    cache = Path(
        os.environ.get("CACHE") or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tributary"
    )
    built = sorted(cache.glob("bin/minio-*/minio"), key=lambda path: path.stat().st_mtime)
    binary = Path(os.environ["TRIBUTARY_MINIO"]) if "TRIBUTARY_MINIO" in os.environ else next(reversed(built), None)
    if binary is None:
        pytest.fail(f"minio: is not in {cache}/bin. `make images` builds it, or set TRIBUTARY_MINIO to its path.")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    return Server(binary, tmp_path_factory.mktemp("minio") / "data", port)


@pytest.fixture(scope="module")
def environ(stopped: Server) -> dict[str, str]:
    """What the chart gives to the Job."""
    secrets = stopped.data.parent / "secrets"
    return {
        "TRIBUTARY_OBJECT_STORE_URL": stopped.url,
        "TRIBUTARY_BUCKET": "metaflow",
        "TRIBUTARY_ROOT_KEY": str(write_key(secrets / "root", ROOT_KEY)),
        "TRIBUTARY_LIMITED_KEY": str(write_key(secrets / "limited", LIMITED_KEY)),
    }


@pytest.fixture(scope="module")
def server(stopped: Server, environ: dict[str, str]) -> Iterator[Server]:
    """A running server on which the Job has run once. The Job begins before the server does, as in a new release."""
    started: list[subprocess.Popen[bytes]] = []
    timer = threading.Timer(0.3, lambda: started.append(stopped.start()))
    timer.start()
    try:
        assert main(["bucket"], environ, patience=60) == 0
        yield stopped
    finally:
        timer.join()
        for process in started:
            process.terminate()
            process.wait(timeout=30)


def s3(server: Server, key: tuple[str, str]) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=server.url,
        aws_access_key_id=key[0],
        aws_secret_access_key=key[1],
        region_name="us-east-1",
        config=Config(retries={"total_max_attempts": 1}),
    )


def refusal(call: Any, **arguments: Any) -> str:
    with pytest.raises(ClientError) as refused:
        call(**arguments)
    return str(refused.value.response["Error"]["Code"])


@pytest.mark.server
def test_the_limited_key_does_in_its_bucket_all_that_metaflow_does(server: Server) -> None:
    client = s3(server, LIMITED_KEY)
    client.put_object(Bucket="metaflow", Key="metaflow/Flow/data/a", Body=b"artifact")
    client.head_object(Bucket="metaflow", Key="metaflow/Flow/data/a")
    assert client.get_object(Bucket="metaflow", Key="metaflow/Flow/data/a", Range="bytes=0-2")["Body"].read() == b"art"
    assert client.list_objects_v2(Bucket="metaflow", Prefix="metaflow/Flow/")["KeyCount"] == 1
    upload = client.create_multipart_upload(Bucket="metaflow", Key="metaflow/big")["UploadId"]
    part = client.upload_part(Bucket="metaflow", Key="metaflow/big", UploadId=upload, PartNumber=1, Body=b"x" * 1000)
    client.complete_multipart_upload(
        Bucket="metaflow",
        Key="metaflow/big",
        UploadId=upload,
        MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]},
    )
    client.delete_objects(Bucket="metaflow", Delete={"Objects": [{"Key": "metaflow/big"}]})
    client.delete_object(Bucket="metaflow", Key="metaflow/Flow/data/a")


@pytest.mark.server
def test_the_limited_key_opens_nothing_else(server: Server) -> None:
    root, limited = s3(server, ROOT_KEY), s3(server, LIMITED_KEY)
    root.create_bucket(Bucket="foreign")
    root.put_object(Bucket="foreign", Key="secret", Body=b"")
    assert refusal(limited.get_object, Bucket="foreign", Key="secret") == "AccessDenied"
    assert refusal(limited.put_object, Bucket="foreign", Key="mine", Body=b"") == "AccessDenied"
    assert refusal(limited.list_objects_v2, Bucket="foreign") == "AccessDenied"
    assert refusal(limited.create_bucket, Bucket="another") == "AccessDenied"
    assert refusal(limited.delete_bucket, Bucket="metaflow") == "AccessDenied"
    assert refusal(limited.put_bucket_policy, Bucket="metaflow", Policy="{}") in ("AccessDenied", "MalformedPolicy")
    assert [bucket["Name"] for bucket in limited.list_buckets()["Buckets"]] == ["metaflow"]


@pytest.mark.server
def test_a_second_run_keeps_what_is_there(
    server: Server, environ: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    s3(server, LIMITED_KEY).put_object(Bucket="metaflow", Key="kept", Body=b"kept")
    assert main(["bucket"], environ, patience=30) == 0
    assert s3(server, LIMITED_KEY).get_object(Bucket="metaflow", Key="kept")["Body"].read() == b"kept"
    assert capsys.readouterr().out.splitlines() == [
        "Bucket metaflow: is there.",
        "Limited key: opens bucket metaflow by policy tributary-metaflow.",
    ]


@pytest.mark.server
def test_a_changed_secret_becomes_the_users_secret_and_none_is_printed(
    server: Server, environ: dict[str, str], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    changed = (LIMITED_KEY[0], "changed-secret-of-the-test-0123456789abc")
    assert main(["bucket"], {**environ, "TRIBUTARY_LIMITED_KEY": str(write_key(tmp_path, changed))}, patience=30) == 0
    s3(server, changed).list_objects_v2(Bucket="metaflow")
    assert refusal(s3(server, LIMITED_KEY).list_objects_v2, Bucket="metaflow") == "SignatureDoesNotMatch"
    assert main(["bucket"], environ, patience=30) == 0
    s3(server, LIMITED_KEY).list_objects_v2(Bucket="metaflow")
    printed = capfd.readouterr()
    for secret in (*ROOT_KEY, *LIMITED_KEY, *changed):
        assert secret not in printed.out + printed.err


@pytest.mark.server
def test_rights_that_were_widened_by_hand_are_taken_back(server: Server, environ: dict[str, str]) -> None:
    from minio import MinioAdmin
    from minio.credentials.providers import StaticProvider

    admin = MinioAdmin(
        endpoint=f"127.0.0.1:{server.port}", credentials=StaticProvider(*ROOT_KEY), region="us-east-1", secure=False
    )
    admin.policy_set("readwrite", user=LIMITED_KEY[0])
    s3(server, LIMITED_KEY).create_bucket(Bucket="widened")
    assert main(["bucket"], environ, patience=30) == 0
    assert refusal(s3(server, LIMITED_KEY).delete_bucket, Bucket="widened") == "AccessDenied"


@pytest.mark.server
def test_a_root_key_that_the_store_does_not_know_ends_with_one_sentence(
    server: Server, environ: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    foreign = write_key(tmp_path, ("FOREIGNKEY0000000000", "foreign-secret-of-the-test-0123456789abc"))
    assert main(["bucket"], {**environ, "TRIBUTARY_ROOT_KEY": str(foreign)}, patience=0.1) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"{server.url}: answers 403")


@pytest.mark.server
def test_a_secret_key_that_the_store_cannot_take_is_refused_at_once(
    server: Server, environ: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    short = write_key(tmp_path, ("ANOTHERKEY0000000000", "short"))
    assert main(["bucket"], {**environ, "TRIBUTARY_LIMITED_KEY": str(short)}, patience=30) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "refuses the request (XMinioAdminInvalidSecretKey" in line


def test_a_store_that_stays_away_ends_with_one_sentence(
    environ_of_nothing: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bucket"], environ_of_nothing, patience=0.1) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("http://127.0.0.1:1: ")
    assert "Connection refused" in line


@pytest.mark.parametrize("url", ["store:9000", "ftp://store", "http://store/bucket", "http://"])
def test_what_is_no_url_of_a_store_is_refused(
    environ_of_nothing: dict[str, str], url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bucket"], {**environ_of_nothing, "TRIBUTARY_OBJECT_STORE_URL": url}) == 2
    assert f"{url!r} is not the URL of a store" in capsys.readouterr().err


def test_every_absent_or_empty_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "access-key").write_text("\n")
    with pytest.raises(Refused) as refused:
        AccessKey.read(tmp_path)
    assert [problem.split(":")[0] for problem in refused.value.problems] == [
        f"{tmp_path}/access-key",
        f"{tmp_path}/secret-key",
    ]


def test_a_key_does_not_show_itself() -> None:
    assert repr(AccessKey(*ROOT_KEY)) == "AccessKey()"


@pytest.fixture
def environ_of_nothing(tmp_path: Path) -> dict[str, str]:
    """Settings that point at a port where nobody listens."""
    return {
        "TRIBUTARY_OBJECT_STORE_URL": "http://127.0.0.1:1",
        "TRIBUTARY_BUCKET": "metaflow",
        "TRIBUTARY_ROOT_KEY": str(write_key(tmp_path / "root", ROOT_KEY)),
        "TRIBUTARY_LIMITED_KEY": str(write_key(tmp_path / "limited", LIMITED_KEY)),
    }
