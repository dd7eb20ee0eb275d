"""One split of a foreach fails as long as its gate is closed."""

from gates import is_open
from metaflow import FlowSpec, Parameter, current, step


class MendedFlow(FlowSpec):
    gate = Parameter("gate", help="The gate whose opening mends the flow", required=True)

    @step
    def start(self):
        self.items = [3, 5]
        self.next(self.fit, foreach="items")

    @step
    def fit(self):
        print(f"item {self.input}")
        if self.index == 1 and not is_open(self.gate):
            raise ValueError(f"item {self.input} is not mended")
        self.fitted_in = current.run_id
        self.result = self.input * 2
        self.next(self.join)

    @step
    def join(self, inputs):
        self.total = sum(each.result for each in inputs)
        self.fitted_in = [each.fitted_in for each in inputs]
        self.next(self.end)

    @step
    def end(self):
        self.report = f"total {self.total}"


if __name__ == "__main__":
    MendedFlow()
