"""A step that is killed goes on from what its first attempt has kept."""

import json
import os
import signal
from pathlib import Path

from metaflow import FlowSpec, checkpoint, current, retry, step


class CheckpointFlow(FlowSpec):
    """Counts to six, and is killed half way."""

    @step
    def start(self):
        self.epochs = 6
        self.next(self.train)

    @retry(times=1, minutes_between_retries=0)
    @checkpoint(show_card=False)
    @step
    def train(self):
        self.history = []
        if current.checkpoint.is_loaded:
            self.history = json.loads((Path(current.checkpoint.directory) / "history.json").read_text())
        self.found = len(self.history)
        while len(self.history) < self.epochs:
            self.history.append({"epoch": len(self.history), "attempt": current.retry_count})
            file = Path(current.checkpoint.directory) / "history.json"
            file.write_text(json.dumps(self.history))
            current.checkpoint.save(str(file.parent), name="history", metadata={"epochs": len(self.history)})
            if current.retry_count == 0 and len(self.history) == 3:
                os.kill(os.getpid(), signal.SIGKILL)
        self.next(self.end)

    @step
    def end(self):
        self.by_attempt = [sum(epoch["attempt"] == attempt for epoch in self.history) for attempt in (0, 1)]


if __name__ == "__main__":
    CheckpointFlow()
