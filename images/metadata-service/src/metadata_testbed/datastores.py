"""Datastores in which a test keeps artifacts as Metaflow does: in a folder, or in a bucket of S3."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from metadata_testbed.minio import MinioServer


class Datastore(Protocol):
    """Metaflow's files under one root. Keys are paths below it."""

    kind: str
    """As an artifact's record names it."""

    @property
    def root(self) -> str: ...

    @property
    def environ(self) -> Mapping[str, str]:
        """What a program needs in its environment to reach it."""

    def save(self, flow: str, contents: Sequence[str]) -> list[str]:
        """Save what is not there yet, as Metaflow does; gives the hashes."""

    def load(self, flow: str, hashes: Sequence[str]) -> dict[str, str]: ...

    def write(self, key: str, text: str) -> None: ...

    def sizes(self) -> dict[str, int]:
        """Every file with its bytes."""


def _blobs(flow: str, root: Path) -> Any:
    """Metaflow's own store of blobs."""
    with warnings.catch_warnings():
        # Of Metaflow's own, when it is first imported.
        warnings.simplefilter("ignore")
        from metaflow.datastore.content_addressed_store import ContentAddressedStore
        from metaflow.plugins.datastores.local_storage import LocalStorage
    return ContentAddressedStore(f"{flow}/data", LocalStorage(str(root)))


class LocalDatastore:
    """A folder, written and read by Metaflow itself."""

    kind = "local"
    environ: Mapping[str, str] = {}

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder

    @property
    def root(self) -> str:
        return str(self._folder)

    def save(self, flow: str, contents: Sequence[str]) -> list[str]:
        saved = _blobs(flow, self._folder).save_blobs(iter([content.encode() for content in contents]))
        return [each.key for each in saved]

    def load(self, flow: str, hashes: Sequence[str]) -> dict[str, str]:
        return {name: content.decode() for name, content in _blobs(flow, self._folder).load_blobs(list(hashes))}

    def write(self, key: str, text: str) -> None:
        file = self._folder / key
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def sizes(self) -> dict[str, int]:
        files = (file for file in self._folder.rglob("*") if file.is_file())
        return {str(file.relative_to(self._folder)): file.stat().st_size for file in files}


class S3Datastore:
    """A prefix in a bucket. Metaflow packs and unpacks the blobs in a folder; they go to the bucket and come from it.

    Its own client of S3 starts a process for each call, which takes a second.
    """

    kind = "s3"

    def __init__(self, minio: MinioServer, prefix: str, scratch: Path) -> None:
        self._minio, self._prefix, self._scratch = minio, prefix, scratch

    @property
    def root(self) -> str:
        return f"s3://{self._minio.bucket}/{self._prefix}"

    @property
    def environ(self) -> Mapping[str, str]:
        return self._minio.environ

    def save(self, flow: str, contents: Sequence[str]) -> list[str]:
        hashes = []
        for content in contents:
            (saved,) = _blobs(flow, self._scratch).save_blobs(iter([content.encode()]))
            key = _key(flow, saved.key)
            if not self._minio.has(f"{self._prefix}/{key}"):
                self._minio.put(f"{self._prefix}/{key}", (self._scratch / key).read_bytes())
            hashes.append(saved.key)
        return hashes

    def load(self, flow: str, hashes: Sequence[str]) -> dict[str, str]:
        for name in set(hashes):
            (self._scratch / _key(flow, name)).write_bytes(self._minio.get(f"{self._prefix}/{_key(flow, name)}"))
        return {name: content.decode() for name, content in _blobs(flow, self._scratch).load_blobs(list(hashes))}

    def write(self, key: str, text: str) -> None:
        self._minio.put(f"{self._prefix}/{key}", text.encode())

    def sizes(self) -> dict[str, int]:
        held = self._minio.sizes(f"{self._prefix}/")
        return {key.removeprefix(f"{self._prefix}/"): size for key, size in held.items()}


def _key(flow: str, name: str) -> str:
    return f"{flow}/data/{name[:2]}/{name}"
