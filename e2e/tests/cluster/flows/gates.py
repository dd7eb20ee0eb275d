"""Where a task waits for a test, in the object store. An empty gate holds nobody."""

import os
import time

# Only what a test has left behind ends by itself: all tests that a flow may wait for together take less.
WAITS_AT_MOST = 3600


def wait_at(gate: str, name: str) -> int:
    """Say that this task has arrived, and wait until the gate is open; gives 1. Raises TimeoutError."""
    if gate:
        arrive(gate, name)
        deadline = time.monotonic() + WAITS_AT_MOST
        while not is_open(gate):
            if time.monotonic() >= deadline:
                raise TimeoutError(f"nobody opened the gate {gate}")
            time.sleep(0.5)
    return 1


def wait_to_die(gate: str, name: str) -> None:
    """Say that this task has arrived, and wait until something ends it. Raises TimeoutError when nothing does."""
    arrive(gate, name)
    time.sleep(WAITS_AT_MOST)
    raise TimeoutError(f"nobody ended {name}")


def arrive(gate: str, name: str) -> None:
    """Say that this task has arrived, and in which pod."""
    store, bucket = _store()
    store.put_object(Bucket=bucket, Key=f"{gate}/{name}", Body=os.uname().nodename.encode())


def is_open(gate: str, *, quick: bool = False) -> bool:
    """Whether the test has opened it; quick is as for _store."""
    from botocore.exceptions import ClientError

    store, bucket = _store(quick=quick)
    try:
        store.head_object(Bucket=bucket, Key=f"{gate}/open")
    except ClientError as answer:
        if answer.response["Error"]["Code"] != "404":
            raise
        return False
    return True


def wait_until_the_store_is_away(gate: str, name: str) -> int:
    """Say that this task has arrived, and wait until the store does not answer; gives 1. Raises TimeoutError."""
    if gate:
        from botocore.exceptions import BotoCoreError, ClientError

        arrive(gate, name)
        deadline = time.monotonic() + WAITS_AT_MOST
        try:
            while time.monotonic() < deadline:
                is_open(gate, quick=True)
                time.sleep(0.5)
        except (BotoCoreError, ClientError):
            return 1
        raise TimeoutError("the store was never away")
    return 1


def _store(*, quick: bool = False):
    """A client and the bucket. A quick one takes the first silence for an answer; else a slow store is asked again."""
    import boto3
    from botocore.config import Config
    from metaflow.metaflow_config import DATASTORE_SYSROOT_S3, S3_ENDPOINT_URL

    impatient = Config(connect_timeout=2, read_timeout=5, retries={"total_max_attempts": 1})
    bucket = DATASTORE_SYSROOT_S3.removeprefix("s3://").split("/")[0]
    return boto3.client("s3", endpoint_url=S3_ENDPOINT_URL, config=impatient if quick else None), bucket
