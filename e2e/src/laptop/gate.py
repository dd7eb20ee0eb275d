"""A gate in the object store: tasks say there that they have arrived, and wait until a test lets them go on."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from laptop.eventually import eventually

ARRIVES_WITHIN = 600.0


@dataclass(frozen=True)
class Gate:
    """One gate, below a prefix that nobody else has. Flows get `key` as their parameter `gate`."""

    store: Any
    bucket: str
    key: str = field(default_factory=lambda: f"gates/{uuid.uuid4().hex[:12]}")

    def arrived(self, name: str, *, within: float = ARRIVES_WITHIN) -> str:
        """Wait until the task that calls itself so is at the gate; gives the name of its pod. Raises NotYet."""
        eventually(lambda: None if self._has(name) else f"nobody has arrived at {self.key}/{name}", within=within)
        pod: str = self.store.get_object(Bucket=self.bucket, Key=f"{self.key}/{name}")["Body"].read().decode()
        return pod

    def both_arrived(self) -> None:
        """Wait until both splits of a foreach over two items are at the gate. Raises NotYet."""
        for index in (0, 1):
            self.arrived(f"arrived-{index}")

    def open(self) -> None:
        """Let all go on, those too that come later."""
        self.store.put_object(Bucket=self.bucket, Key=f"{self.key}/open", Body=b"")

    def _has(self, name: str) -> bool:
        try:
            self.store.head_object(Bucket=self.bucket, Key=f"{self.key}/{name}")
        except ClientError as answer:
            if answer.response["Error"]["Code"] != "404":
                raise
            return False
        return True
