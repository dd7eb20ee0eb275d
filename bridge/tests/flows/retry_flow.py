"""Steps that fail: one that a retry mends, one that only @catch lets pass, and two that are killed."""

import os
import signal

from metaflow import FlowSpec, catch, current, retry, step


class RetryFlow(FlowSpec):
    """Goes on in spite of it all."""

    @step
    def start(self):
        self.wanted = 2
        self.next(self.flaky)

    @retry(times=2, minutes_between_retries=0)
    @step
    def flaky(self):
        if current.retry_count < self.wanted - 1:
            raise RuntimeError(f"attempt {current.retry_count} is too early")
        self.attempts = current.retry_count + 1
        self.next(self.stubborn)

    @catch(var="failure", print_exception=False)
    @retry(times=1, minutes_between_retries=0)
    @step
    def stubborn(self):
        self.never_kept = 1
        raise ValueError(f"attempt {current.retry_count} failed")
        self.next(self.killed)

    @catch(var="kill", print_exception=False)
    @step
    def killed(self):
        self.reason = f"{self.failure.type}: {self.failure.exception}"
        os.kill(os.getpid(), signal.SIGKILL)
        self.next(self.killed_once)

    @retry(times=1, minutes_between_retries=0)
    @step
    def killed_once(self):
        if current.retry_count == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        self.second_life = f"attempt {current.retry_count} after {self.kill.type}"
        self.next(self.end)

    @step
    def end(self):
        self.story = [self.attempts, self.failure.exception, self.kill.type, self.second_life]


if __name__ == "__main__":
    RetryFlow()
