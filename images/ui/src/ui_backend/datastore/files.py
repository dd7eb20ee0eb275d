"""Files of a datastore, in a folder or in a bucket: their sizes, parts of them, and what lies in a folder.

Everything here blocks and is called in a thread. Paths are relative to the root, parted by slashes.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import urllib3
from minio import Minio
from minio.error import MinioException, S3Error
from urllib3.exceptions import HTTPError

from metadata_service.domain.refusals import NotFound, StorageAway


class NotStored(NotFound):
    """The datastore has no such file, or it lies outside of what this backend may read."""


class DatastoreAway(StorageAway):
    """The datastore cannot be asked now."""


@dataclass(frozen=True)
class Entry:
    name: str
    size: int


class Files(Protocol):
    def size(self, path: str) -> int:
        """In bytes. Raises NotStored and DatastoreAway, as all methods do."""

    def read(self, path: str, start: int, length: int) -> bytes:
        """At most `length` bytes from `start`, which lies inside of the file or at its end."""

    def folder(self, path: str) -> list[Entry]:
        """The files that lie in the folder itself. None when there is no such folder."""


def checked(path: str) -> str:
    """The path, if it stays below where it starts. Raises NotStored."""
    parts = path.split("/")
    if not path or "\0" in path or any(part in ("", ".", "..") for part in parts):
        raise NotStored(f"{path[:200]!r} is no path in a datastore.")
    return path


class LocalFiles:
    """Below a folder. What leads out of it by a symbolic link is not there."""

    def __init__(self, root: Path) -> None:
        self._root = Path(os.path.realpath(root))

    def size(self, path: str) -> int:
        with _local_errors(path):
            return self._place(path).stat().st_size

    def read(self, path: str, start: int, length: int) -> bytes:
        with _local_errors(path), self._place(path).open("rb") as file:
            file.seek(start)
            return file.read(length)

    def folder(self, path: str) -> list[Entry]:
        try:
            with _local_errors(path), os.scandir(self._place(path)) as entries:
                found = [Entry(one.name, one.stat().st_size) for one in entries if one.is_file(follow_symlinks=False)]
        except NotStored:
            return []
        return sorted(found, key=lambda entry: entry.name)

    def _place(self, path: str) -> Path:
        place = Path(os.path.realpath(self._root / checked(path)))
        if not place.is_relative_to(self._root):
            raise NotStored(f"{path[:200]!r} leads out of the datastore.")
        return place


@contextmanager
def _local_errors(path: str) -> Iterator[None]:
    try:
        yield
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        raise NotStored(f"The datastore has no file {path!r}.") from error
    except OSError as error:
        # A name that is too long among them.
        raise NotStored(f"{path[:200]!r} cannot be read: {error.strerror}.") from error


class BucketFiles:
    """Below a prefix of a bucket of S3 or MinIO."""

    def __init__(self, client: Minio, bucket: str, prefix: str) -> None:
        self._client, self._bucket, self._prefix = client, bucket, prefix.strip("/")

    def size(self, path: str) -> int:
        with _bucket_errors(path):
            return int(self._client.stat_object(self._bucket, self._key(path)).size or 0)

    def read(self, path: str, start: int, length: int) -> bytes:
        if length <= 0 or start >= self.size(path):
            return b""
        with _bucket_errors(path):
            response = self._client.get_object(self._bucket, self._key(path), offset=start, length=length)
            try:
                return bytes(response.read())
            finally:
                response.close()
                response.release_conn()

    def folder(self, path: str) -> list[Entry]:
        prefix = self._key(path) + "/"
        with _bucket_errors(path):
            listed = self._client.list_objects(self._bucket, prefix=prefix)
            return [Entry(one.object_name[len(prefix) :], one.size or 0) for one in listed if not one.is_dir]

    def _key(self, path: str) -> str:
        return f"{self._prefix}/{checked(path)}" if self._prefix else checked(path)


@contextmanager
def _bucket_errors(path: str) -> Iterator[None]:
    try:
        yield
    except S3Error as error:
        if error.code in ("NoSuchKey", "NoSuchObject"):
            raise NotStored(f"The datastore has no file {path!r}.") from error
        raise DatastoreAway(f"The datastore refuses: {error.code}.") from error
    except (MinioException, HTTPError, OSError) as error:
        raise DatastoreAway(f"The datastore does not answer ({type(error).__name__}). Try again later.") from error


def impatient(seconds: float) -> urllib3.PoolManager:
    """Connections that give up after some more than so many seconds of silence, one more try among them.

    Some more, so that whoever waits hears of the time that is set, and not of a connection.
    """
    each = 0.6 * seconds
    return urllib3.PoolManager(
        timeout=urllib3.Timeout(connect=each, read=each), maxsize=16, retries=urllib3.Retry(1, redirect=0)
    )
