"""A task that waits to be ended from outside, once."""

from gates import wait_to_die
from metaflow import FlowSpec, Parameter, current, retry, step


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
            wait_to_die(self.gate, "arrived")
        self.next(self.end)

    @step
    def end(self):
        self.report = f"result {self.result}"


if __name__ == "__main__":
    VictimFlow()
