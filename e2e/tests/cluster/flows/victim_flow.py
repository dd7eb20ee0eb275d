"""A task that waits to be deleted, with and without @retry."""

import os
import time

from metaflow import FlowSpec, Parameter, current, retry, step

WAITS_AT_MOST = 240


class VictimFlow(FlowSpec):
    gate = Parameter("gate", help="Prefix of the key that says which pod has arrived; empty: nobody waits", default="")

    @step
    def start(self):
        self.base = 20
        self.next(self.victim)

    @retry(times=2, minutes_between_retries=0)
    @step
    def victim(self):
        self.result = self.base + 1
        if self.gate and current.retry_count == 0:
            wait_to_be_deleted(self.gate)
        self.next(self.end)

    @step
    def end(self):
        self.report = f"result {self.result}"


def wait_to_be_deleted(gate: str) -> None:
    """Say which pod this is, then wait; raises TimeoutError when nobody deleted it."""
    import boto3
    from metaflow.metaflow_config import DATASTORE_SYSROOT_S3, S3_ENDPOINT_URL

    bucket = DATASTORE_SYSROOT_S3.removeprefix("s3://").split("/")[0]
    store = boto3.client("s3", endpoint_url=S3_ENDPOINT_URL)
    store.put_object(Bucket=bucket, Key=f"{gate}/arrived", Body=os.uname().nodename.encode())
    deadline = time.monotonic() + WAITS_AT_MOST
    while time.monotonic() < deadline:
        time.sleep(1)
    raise TimeoutError("nobody deleted this pod")


if __name__ == "__main__":
    VictimFlow()
