"""A MinIO server of one's own: an object store that speaks S3, known by its process id only."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from metadata_testbed.service import free_port
from metadata_testbed.waiting import eventually

_KEY = ("ACCESSKEYOFTHETESTS0", "secret-of-the-tests-0123456789abcdef")


def find_minio() -> Path:
    """The program that the project built into its cache. Raises FileNotFoundError."""
    if given := os.environ.get("TRIBUTARY_MINIO"):
        return Path(given)
    caches = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    cache = Path(os.environ.get("CACHE") or Path(caches) / "tributary")
    built = sorted(cache.glob("bin/minio-*/minio"), key=lambda path: path.stat().st_mtime)
    if not built:
        raise FileNotFoundError(f"minio: is not in {cache}/bin. `make images` builds it, or set TRIBUTARY_MINIO.")
    return built[-1]


class MinioServer:
    """A running server with one bucket."""

    bucket = "tests"

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="minio-"))
        port = free_port()
        self.environ = {
            "METAFLOW_S3_ENDPOINT_URL": f"http://127.0.0.1:{port}",
            "AWS_ACCESS_KEY_ID": _KEY[0],
            "AWS_SECRET_ACCESS_KEY": _KEY[1],
            "AWS_DEFAULT_REGION": "us-east-1",
        }
        self._process = subprocess.Popen(
            [find_minio(), "server", self._folder / "data", "--address", f"127.0.0.1:{port}", "--quiet"],
            env={
                "HOME": str(self._folder),
                "MINIO_ROOT_USER": _KEY[0],
                "MINIO_ROOT_PASSWORD": _KEY[1],
                "MINIO_BROWSER": "off",
                "MINIO_UPDATE": "off",
                "GOMEMLIMIT": "128MiB",
            },
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.client: Any = boto3.client(
            "s3",
            endpoint_url=self.environ["METAFLOW_S3_ENDPOINT_URL"],
            aws_access_key_id=_KEY[0],
            aws_secret_access_key=_KEY[1],
            region_name="us-east-1",
        )
        eventually(self._make_bucket, within=60)

    def remove(self) -> None:
        """Stop it and delete its data."""
        self._process.terminate()
        self._process.wait(30)
        shutil.rmtree(self._folder)

    def sizes(self, prefix: str = "") -> dict[str, int]:
        """All objects of the bucket that begin so, with their bytes."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix)
        return {each["Key"]: each["Size"] for page in pages for each in page.get("Contents", [])}

    def has(self, key: str) -> bool:
        return key in self.sizes(key)

    def get(self, key: str) -> bytes:
        content: bytes = self.client.get_object(Bucket=self.bucket, Key=key)["Body"].read()
        return content

    def put(self, key: str, content: bytes) -> None:
        self.client.put_object(Bucket=self.bucket, Key=key, Body=content)

    def _make_bucket(self) -> str | None:
        try:
            self.client.create_bucket(Bucket=self.bucket)
        except (BotoCoreError, ClientError) as error:
            return str(error)
        return None
