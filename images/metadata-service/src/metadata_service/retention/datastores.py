"""Metaflow's datastore, as far as its files are removed: in S3, or in a folder.

ROOT/FLOW/data/ab/abcd…          an artifact's content under its hash, for all runs of the flow
ROOT/FLOW/RUN/…                  what the tasks of a run logged and said of themselves
ROOT/mf.cards/FLOW/runs/RUN/…    a run's cards
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from metadata_service.domain.refusals import Malformed, StorageAway

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import ObjectIdentifierTypeDef

_S3 = "s3://"
_AT_ONCE = 1000
"""Objects that S3 removes by one request."""
_LONGEST_KEY = 1024
"""Bytes that a key of S3 has at most."""


@dataclass(frozen=True)
class Files:
    """A number of files, and their bytes."""

    count: int = 0
    bytes: int = 0

    def __add__(self, other: Files) -> Files:
        return Files(self.count + other.count, self.bytes + other.bytes)

    def __str__(self) -> str:
        return f"{self.count:,} files, {self.bytes:,} bytes"


class Datastore(Protocol):
    """The files under one root. All methods raise StorageAway when it cannot be asked."""

    def blobs(self, flow: str) -> Mapping[str, int]:
        """The bytes of each blob of the flow, by its hash."""

    def remove_blobs(self, flow: str, hashes: Sequence[str]) -> None:
        """Those that are not there are no fault."""

    def run_files(self, flow: str, run: str) -> Files: ...

    def remove_run(self, flow: str, run: str) -> None: ...


def open_datastore(root: str) -> Datastore:
    """The datastore of this root. S3 is reached as Metaflow reaches it, by the same environment. Raises Malformed."""
    if root.startswith(_S3):
        return S3Datastore(root)
    if not Path(root).is_dir():
        raise Malformed(
            f"--datastore {root}: there is no such folder. Name one, or a root in S3 such as s3://BUCKET/X."
        )
    return LocalDatastore(Path(root))


class LocalDatastore:
    """In a folder. Beside each blob there is a file of what is known of it."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def blobs(self, flow: str) -> Mapping[str, int]:
        sizes: dict[str, int] = {}
        for file in _files(self._root / segment(flow) / "data"):
            name = file.name.removesuffix("_meta")
            sizes[name] = sizes.get(name, 0) + file.stat().st_size
        return sizes

    def remove_blobs(self, flow: str, hashes: Sequence[str]) -> None:
        for name in hashes:
            file = self._root / segment(flow) / "data" / name[:2] / name
            try:
                # The content first: what is left of an interruption is no blob.
                file.unlink(missing_ok=True)
                file.with_name(f"{name}_meta").unlink(missing_ok=True)
            except OSError as error:
                raise StorageAway(f"{file}: {error.strerror}.") from error

    def run_files(self, flow: str, run: str) -> Files:
        sizes = [file.stat().st_size for folder in self._folders(flow, run) for file in _files(folder)]
        return Files(len(sizes), sum(sizes))

    def remove_run(self, flow: str, run: str) -> None:
        for folder in self._folders(flow, run):
            try:
                if _is_there(folder):
                    shutil.rmtree(folder)
            except OSError as error:
                raise StorageAway(f"{folder}: {error.strerror}.") from error

    def _folders(self, flow: str, run: str) -> list[Path]:
        return [self._root.joinpath(*parts) for parts in _run_paths(flow, run)]


class S3Datastore:
    """In a bucket, or under a prefix in it."""

    def __init__(self, root: str) -> None:
        self._bucket, _, prefix = root.removeprefix(_S3).partition("/")
        self._prefix = prefix.strip("/") + "/" if prefix.strip("/") else ""
        # Not imported by those who have no bucket.
        import boto3

        endpoint = os.environ.get("METAFLOW_S3_ENDPOINT_URL") or None
        # A session of its own, which asks the environment anew.
        self._client: S3Client = boto3.session.Session().client("s3", endpoint_url=endpoint)

    def blobs(self, flow: str) -> Mapping[str, int]:
        return {key.rpartition("/")[2]: size for key, size in self._objects(f"{segment(flow)}/data/")}

    def remove_blobs(self, flow: str, hashes: Sequence[str]) -> None:
        self._remove([f"{self._prefix}{segment(flow)}/data/{name[:2]}/{name}" for name in hashes])

    def run_files(self, flow: str, run: str) -> Files:
        sizes = [size for parts in _run_paths(flow, run) for _, size in self._objects("/".join(parts) + "/")]
        return Files(len(sizes), sum(sizes))

    def remove_run(self, flow: str, run: str) -> None:
        for parts in _run_paths(flow, run):
            self._remove([key for key, _ in self._objects("/".join(parts) + "/")])

    def _objects(self, under: str) -> Iterator[tuple[str, int]]:
        from botocore.exceptions import BotoCoreError, ClientError

        if len(f"{self._prefix}{under}".encode()) > _LONGEST_KEY:
            return
        pages = self._client.get_paginator("list_objects_v2")
        try:
            for page in pages.paginate(Bucket=self._bucket, Prefix=self._prefix + under):
                for found in page.get("Contents", []):
                    yield found["Key"], found["Size"]
        except (BotoCoreError, ClientError) as error:
            raise StorageAway(f"{_S3}{self._bucket}: {error}") from error

    def _remove(self, keys: Sequence[str]) -> None:
        from botocore.exceptions import BotoCoreError, ClientError

        for start in range(0, len(keys), _AT_ONCE):
            objects: list[ObjectIdentifierTypeDef] = [{"Key": key} for key in keys[start : start + _AT_ONCE]]
            try:
                answer = self._client.delete_objects(Bucket=self._bucket, Delete={"Objects": objects, "Quiet": True})
            except (BotoCoreError, ClientError) as error:
                raise StorageAway(f"{_S3}{self._bucket}: {error}") from error
            if errors := answer.get("Errors"):
                first = errors[0]
                raise StorageAway(f"{_S3}{self._bucket}/{first.get('Key')}: {first.get('Message')}.")


def segment(name: str) -> str:
    """The name as a part of a path. Raises Malformed for one that would lead elsewhere."""
    if name in ("", ".", "..") or "/" in name or "\0" in name:
        raise Malformed(f"{name!r} is no name of a folder in a datastore. Remove its files by hand.")
    return name


def _run_paths(flow: str, run: str) -> list[tuple[str, ...]]:
    return [(segment(flow), segment(run)), ("mf.cards", segment(flow), "runs", segment(run))]


def _files(folder: Path) -> Iterator[Path]:
    return (file for file in folder.rglob("*") if file.is_file()) if _is_there(folder) else iter(())


def _is_there(folder: Path) -> bool:
    """Whether there is such a folder. Of a name that is too long for one, nothing was ever stored."""
    try:
        return folder.is_dir()
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            return False
        raise StorageAway(f"{folder}: {error.strerror}.") from error
