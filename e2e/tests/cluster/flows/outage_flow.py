"""Tasks that come to their end while the object store is away."""

from gates import wait_until_the_store_is_away
from metaflow import FlowSpec, Parameter, current, retry, step


class OutageFlow(FlowSpec):
    gate = Parameter("gate", help="Where the tasks say that they wait for the outage; empty: they do not", default="")

    @step
    def start(self):
        self.items = [3, 5]
        self.next(self.work, foreach="items")

    @retry(times=3, minutes_between_retries=0)
    @step
    def work(self):
        # A later attempt may begin when the store is back, and would wait for an outage that is over.
        gate = "" if current.retry_count else self.gate
        self.waited = wait_until_the_store_is_away(gate, f"arrived-{self.index}")
        self.product = self.input * 2 + self.waited
        self.next(self.join)

    @step
    def join(self, inputs):
        self.total = sum(each.product for each in inputs)
        self.next(self.end)

    @step
    def end(self):
        self.report = f"total {self.total}"


if __name__ == "__main__":
    OutageFlow()
