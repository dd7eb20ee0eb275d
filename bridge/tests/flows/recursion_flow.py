"""A step that follows itself: a round that fails and is tried again, one that is too slow, and two ways out."""

import time

from metaflow import FlowSpec, current, retry, step, timeout


class RecursionFlow(FlowSpec):
    """Four rounds; the second fails once, the third is stopped once by its @timeout."""

    @step
    def start(self):
        self.rounds = []
        self.next(self.loop)

    @timeout(seconds=10)
    @retry(times=1, minutes_between_retries=0)
    @step
    def loop(self):
        self.rounds.append(current.retry_count)
        if len(self.rounds) == 2 and current.retry_count == 0:
            raise ValueError("the second round fails once")
        if len(self.rounds) == 3 and current.retry_count == 0:
            time.sleep(60)
        self.state = "go on" if len(self.rounds) < 4 else "enough"
        self.next({"go on": self.loop, "enough": self.enough, "never": self.never}, condition="state")

    @step
    def enough(self):
        self.word = "enough"
        self.next(self.end)

    @step
    def never(self):
        self.word = "never"
        self.next(self.end)

    @step
    def end(self):
        self.said = f"{self.word} after {self.rounds}"


if __name__ == "__main__":
    RecursionFlow()
