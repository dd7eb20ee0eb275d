"""A foreach in one of two branches."""

from metaflow import FlowSpec, step


class ForeachInBranchFlow(FlowSpec):
    """One branch adds up, the other one multiplies number by number."""

    @step
    def start(self):
        self.numbers = [2, 5]
        self.next(self.add, self.multiply)

    @step
    def add(self):
        self.sum = sum(self.numbers)
        self.next(self.join)

    @step
    def multiply(self):
        self.next(self.double, foreach="numbers")

    @step
    def double(self):
        self.doubled = 2 * self.input
        self.next(self.join_doubled)

    @step
    def join_doubled(self, inputs):
        self.all_doubled = [one.doubled for one in inputs]
        self.next(self.join)

    @step
    def join(self, inputs):
        self.both = [inputs.add.sum, inputs.join_doubled.all_doubled]
        self.next(self.end)

    @step
    def end(self):
        self.check = sum(self.both[1]) == 2 * self.both[0]


if __name__ == "__main__":
    ForeachInBranchFlow()
