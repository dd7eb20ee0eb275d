"""Tasks that wait at a gate, so that a test can break something while they run."""

from gates import wait_at
from metaflow import FlowSpec, Parameter, step


class GateFlow(FlowSpec):
    gate = Parameter("gate", help="Key of the object whose presence opens the gate; empty: open", default="")

    @step
    def start(self):
        self.items = [3, 5]
        self.next(self.work, foreach="items")

    @step
    def work(self):
        self.before = self.input * 2
        self.waited = wait_at(self.gate, f"arrived-{self.index}")
        self.after = self.before + self.waited
        self.next(self.join)

    @step
    def join(self, inputs):
        self.total = sum(each.after for each in inputs)
        self.next(self.end)

    @step
    def end(self):
        self.report = f"total {self.total}"


if __name__ == "__main__":
    GateFlow()
