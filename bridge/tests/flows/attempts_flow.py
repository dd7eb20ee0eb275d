"""What a step is given, and what happens when it fails: secrets and variables, retries, a timeout and a fallback."""

import os
import time

from metaflow import FlowSpec, catch, current, environment, resources, retry, secrets, step, timeout


class AttemptsFlow(FlowSpec):
    """Fails, is stopped, and goes on."""

    @environment(vars={"COLOUR": "blue", "COUNT": 3, "RATE": 0.5, "QUIET": True, "EMPTY": ""})
    @secrets(sources=[{"type": "inline", "id": "demo", "options": {"env_vars": {"PASSWORD": "not a real one"}}}])
    @step
    def start(self):
        names = ("COLOUR", "COUNT", "RATE", "QUIET", "EMPTY", "PASSWORD")
        self.given = {name: os.environ.get(name) for name in names}
        self.next(self.slow)

    @catch(var="stopped", print_exception=False)
    @retry(times=1, minutes_between_retries=0)
    @timeout(seconds=1)
    @resources(memory=500, cpu=0.25)
    @step
    def slow(self):
        self.attempt = current.retry_count
        if self.attempt == 0:
            raise ValueError("the first attempt fails by itself")
        time.sleep(60)
        self.next(self.end)

    @step
    def end(self):
        self.fallback = getattr(self, "attempt", None)
        self.was_stopped = self.stopped is not None


if __name__ == "__main__":
    AttemptsFlow()
