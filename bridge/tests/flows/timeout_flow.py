"""Steps that take too long: one is caught, one is quicker in its second attempt."""

import time

from metaflow import FlowSpec, catch, current, retry, step, timeout


class TimeoutFlow(FlowSpec):
    """Waits no longer than it must."""

    @step
    def start(self):
        self.patience = 3600
        self.next(self.endless)

    @catch(var="late", print_exception=False)
    @timeout(seconds=1)
    @step
    def endless(self):
        time.sleep(self.patience)
        self.next(self.slow_at_first)

    @retry(times=1, minutes_between_retries=0)
    @timeout(seconds=2)
    @step
    def slow_at_first(self):
        if current.retry_count == 0:
            time.sleep(self.patience)
        self.quick_attempt = current.retry_count
        self.next(self.end)

    @step
    def end(self):
        self.story = [self.late.type, self.late.exception.splitlines()[0], self.quick_attempt]


if __name__ == "__main__":
    TimeoutFlow()
