"""Which datastores may be read, and where in them a recorded place lies.

What a run has recorded is the word of whoever wrote it. So nothing is read because a row names it, unless it lies below
a root that the settings name.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from minio import Minio
from minio.credentials import AWSConfigProvider, ChainedProvider, EnvAWSProvider, IamAwsProvider

from ui_backend.datastore.files import BucketFiles, DatastoreAway, Files, LocalFiles, NotStored, impatient

T = TypeVar("T")

LOCAL_FOLDER = ".metaflow"
"""What Metaflow puts below the folder that is its local root."""

_ROOT_MARK = ":root:"
_THREADS = 16


@dataclass(frozen=True)
class DatastoreSettings:
    s3_root: str = ""
    """Such as s3://bucket/metaflow; empty for none."""
    s3_endpoint: str = ""
    """Such as http://minio:9000; empty for Amazon's."""
    local_root: str = ""
    """The folder in which `.metaflow` lies; empty for none."""
    seconds: float = 10.0
    """How long one answer may take."""


@dataclass(frozen=True)
class Root:
    ds_type: str
    address: str
    files: Files = field(repr=False)


class Datastore:
    """Reads below the roots of the settings, in threads, each answer within the settings' time."""

    def __init__(self, settings: DatastoreSettings) -> None:
        self._seconds = settings.seconds
        self._threads = ThreadPoolExecutor(_THREADS, "datastore")
        self._roots = _roots(settings)

    async def ask(self, work: Callable[[], T]) -> T:
        """Do the work in a thread. Raises DatastoreAway when it takes too long."""
        done = asyncio.get_running_loop().run_in_executor(self._threads, work)
        try:
            return await asyncio.wait_for(done, self._seconds)
        except asyncio.TimeoutError as error:
            raise DatastoreAway(
                f"The datastore has not answered in {self._seconds:g} s (MF_UI_DATASTORE_TIMEOUT). Try again later."
            ) from error

    def root(self, ds_type: str, ds_root: str) -> Files:
        """The files of the root that a task has recorded. Raises NotStored for one that is not in the settings."""
        for root in self._roots:
            if root.ds_type == ds_type and root.address == _trimmed(ds_root):
                return root.files
        raise NotStored(
            f"The run's datastore, {ds_type} at {ds_root[:200]!r}, is not among those of this UI's settings."
        )

    def place(self, ds_type: str, location: str, flow_id: str, sha: str | None) -> tuple[Files, str]:
        """The files, and the path in them, of a recorded artifact. Raises NotStored for one outside of all roots.

        Today's client records the root and the checksum (metaflow/client/core.py, DataArtifact.data), older ones the
        whole location.
        """
        if location.startswith(_ROOT_MARK):
            return self.root(ds_type, location[len(_ROOT_MARK) :]), f"{flow_id}/data/{(sha or '')[:2]}/{sha}"
        for root in self._roots:
            if root.ds_type == ds_type and location.startswith(root.address + "/"):
                return root.files, location[len(root.address) + 1 :]
        raise NotStored(f"{location[:200]!r} lies in no datastore of this UI's settings.")

    def close(self) -> None:
        """Wait for nobody: what hangs ends by its own time limit."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _roots(settings: DatastoreSettings) -> list[Root]:
    roots = []
    if settings.s3_root:
        parts = urlsplit(settings.s3_root)
        files = BucketFiles(_client(settings), parts.netloc, parts.path)
        roots.append(Root("s3", _trimmed(settings.s3_root), files))
    if settings.local_root:
        folder = Path(settings.local_root).absolute() / LOCAL_FOLDER
        roots.append(Root("local", str(folder), LocalFiles(folder)))
    return roots


def _client(settings: DatastoreSettings) -> Minio:
    endpoint = urlsplit(settings.s3_endpoint or "https://s3.amazonaws.com")
    # The same places as Metaflow's own client looks for a key.
    credentials = ChainedProvider([EnvAWSProvider(), AWSConfigProvider(), IamAwsProvider()])
    return Minio(
        endpoint.netloc,
        credentials=credentials,
        secure=endpoint.scheme == "https",
        http_client=impatient(settings.seconds),
    )


def _trimmed(address: str) -> str:
    return address.rstrip("/")
