"""Metaflow's own bucket on MinIO, and the one key that opens this bucket and nothing else.

No step pod ever sees the store's root key: this Job is the only one that uses it.
"""

import contextlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import urllib3
from minio import Minio, MinioAdmin
from minio.credentials.providers import StaticProvider
from minio.error import InvalidResponseError, MinioAdminException, MinioException, S3Error

from release_setup.errors import Away, Refused

# MinIO has no regions. Naming one saves the client a question before each call.
REGION = "us-east-1"
BAD_REQUEST = 400


@dataclass(frozen=True)
class AccessKey:
    """An access key and its secret. Its repr shows neither."""

    name: str = field(repr=False)
    secret: str = field(repr=False)

    @classmethod
    def read(cls, folder: Path) -> "AccessKey":
        """Read the files access-key and secret-key of a mounted Secret. Raises Refused for what is absent or empty."""
        files = [folder / "access-key", folder / "secret-key"]
        contents = [file.read_text().strip() if file.is_file() else "" for file in files]
        if empty := [str(file) for file, content in zip(files, contents, strict=True) if not content]:
            raise Refused(*(f"{file}: is absent or empty. Mount a Secret that holds this key." for file in empty))
        return cls(*contents)


@dataclass(frozen=True)
class Store:
    """One MinIO server, its root key, and what Metaflow shall have there."""

    url: str
    bucket: str
    root: AccessKey
    limited: AccessKey

    @property
    def policy_name(self) -> str:
        return f"tributary-{self.bucket}"

    @property
    def policy(self) -> dict[str, Any]:
        """What the limited key may do: everything Metaflow does with objects, in this bucket only."""
        arn = f"arn:aws:s3:::{self.bucket}"
        in_bucket = ["s3:GetBucketLocation", "s3:ListBucket", "s3:ListBucketMultipartUploads"]
        on_objects = [
            "s3:AbortMultipartUpload",
            "s3:DeleteObject",
            "s3:GetObject",
            "s3:ListMultipartUploadParts",
            "s3:PutObject",
        ]
        return {
            "Version": "2012-10-17",
            "Statement": [
                {"Effect": "Allow", "Action": in_bucket, "Resource": [arn]},
                {"Effect": "Allow", "Action": on_objects, "Resource": [f"{arn}/*"]},
            ],
        }


def prepare(store: Store, say: Callable[[str], None]) -> None:
    """Make bucket, policy and user, or bring them back to what they shall be. May be called again at any point.

    Raises Away while the store cannot do it, and Refused when it calls the request itself wrong.
    """
    endpoint, secure = _endpoint(store.url)
    http = urllib3.PoolManager(timeout=urllib3.Timeout(connect=5, read=30), retries=False)
    root, limited = (
        Minio(endpoint, key.name, key.secret, secure=secure, region=REGION, http_client=http)
        for key in (store.root, store.limited)
    )
    admin = MinioAdmin(
        endpoint=endpoint,
        credentials=StaticProvider(store.root.name, store.root.secret),
        region=REGION,
        secure=secure,
        http_client=http,
    )
    with _translated(store.url):
        if root.bucket_exists(store.bucket):
            say(f"Bucket {store.bucket}: is there.")
        else:
            root.make_bucket(store.bucket)
            say(f"Bucket {store.bucket}: made.")
        admin.policy_add(store.policy_name, policy=store.policy)
        if not _opens(limited, store.bucket):
            # Adding a user that exists gives it the new secret and keeps all else.
            admin.user_add(store.limited.name, store.limited.secret)
            say("User of the limited key: made, or given the secret that its Secret holds now.")
        admin.policy_set(store.policy_name, user=store.limited.name)
        if not _opens(limited, store.bucket):
            raise Away(f"{store.url}: the limited key does not open bucket {store.bucket!r} yet")
        say(f"Limited key: opens bucket {store.bucket} by policy {store.policy_name}.")


def _endpoint(url: str) -> tuple[str, bool]:
    """Host with port, and whether to speak TLS."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path.strip("/") or parts.query:
        raise Refused(f"TRIBUTARY_OBJECT_STORE_URL: {url!r} is not the URL of a store. Write http://HOST:PORT.")
    return parts.netloc, parts.scheme == "https"


def _opens(limited: Minio, bucket: str) -> bool:
    try:
        return bool(limited.bucket_exists(bucket))
    except S3Error as error:
        if error.code == "AccessDenied":
            return False
        raise


@contextlib.contextmanager
def _translated(url: str) -> Iterator[None]:
    """Turn what the client raises into Away or Refused.

    A refused root key is Away too: after a change of the root Secret the store's old pod may still answer.
    """
    try:
        yield
    except urllib3.exceptions.HTTPError as error:
        raise Away(f"{url}: {error}") from error
    except MinioAdminException as error:
        # The client has no public door to status and body.
        status, body = int(error._code), error._body
        raise _judged(url, status, _reason(body)) from None
    except S3Error as error:
        raise _judged(url, error.response.status, f"{error.code}, {error.message}") from None
    except InvalidResponseError as error:
        raise Away(f"{url}: does not answer like a store ({error}). Is it another program's port?") from None
    except MinioException as error:
        raise Away(f"{url}: {error}") from error


def _judged(url: str, status: int, reason: str) -> Exception:
    if status == BAD_REQUEST:
        return Refused(f"{url}: refuses the request ({reason}). Correct the bucket's name or the limited Secret.")
    return Away(f"{url}: answers {status} ({reason})")


def _reason(body: str) -> str:
    """Code and message of an admin error; the rest of the body may repeat what was sent."""
    try:
        content = json.loads(body)
    except json.JSONDecodeError:
        return "no reason given"
    return f"{content.get('Code')}, {content.get('Message')}" if isinstance(content, dict) else "no reason given"
