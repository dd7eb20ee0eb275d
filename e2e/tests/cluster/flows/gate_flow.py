"""Tasks that wait at a gate, so that a test can break something while they run."""

import os
import time

from metaflow import FlowSpec, Parameter, step

WAITS_AT_MOST = 240


class GateFlow(FlowSpec):
    gate = Parameter("gate", help="Key of the object whose presence opens the gate; empty: open", default="")

    @step
    def start(self):
        self.items = [3, 5]
        self.next(self.work, foreach="items")

    @step
    def work(self):
        self.before = self.input * 2
        self.waited = wait_for(self.gate, f"{self.gate}/arrived-{self.index}")
        self.after = self.before + self.waited
        self.next(self.join)

    @step
    def join(self, inputs):
        self.total = sum(each.after for each in inputs)
        self.next(self.end)

    @step
    def end(self):
        self.report = f"total {self.total}"


def wait_for(gate: str, arrived: str) -> int:
    """Say that this task has arrived, then wait until the gate is open; gives 1."""
    if not gate:
        return 1
    import boto3
    from botocore.exceptions import ClientError
    from metaflow.metaflow_config import DATASTORE_SYSROOT_S3, S3_ENDPOINT_URL

    bucket = DATASTORE_SYSROOT_S3.removeprefix("s3://").split("/")[0]
    store = boto3.client("s3", endpoint_url=S3_ENDPOINT_URL)
    store.put_object(Bucket=bucket, Key=arrived, Body=os.uname().nodename.encode())
    deadline = time.monotonic() + WAITS_AT_MOST
    while time.monotonic() < deadline:
        try:
            store.head_object(Bucket=bucket, Key=f"{gate}/open")
            return 1
        except ClientError as answer:
            if answer.response["Error"]["Code"] != "404":
                raise
        time.sleep(0.5)
    raise TimeoutError(f"nobody opened the gate {gate}")


if __name__ == "__main__":
    GateFlow()
