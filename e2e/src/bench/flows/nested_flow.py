"""Seventeen tasks: a foreach of two whose body prepares, fans out to three, joins and sums up."""

from metaflow import FlowSpec, step


class NestedFlow(FlowSpec):
    """Adds up squares."""

    @step
    def start(self):
        self.offsets = [0, 10]
        self.next(self.prepare, foreach="offsets")

    @step
    def prepare(self):
        self.offset = self.input
        self.next(self.fan)

    @step
    def fan(self):
        self.numbers = [self.offset + number for number in range(3)]
        self.next(self.square, foreach="numbers")

    @step
    def square(self):
        self.squared = self.input**2
        self.next(self.collect)

    @step
    def collect(self, inputs):
        self.squares = [one.squared for one in inputs]
        self.next(self.sum_up)

    @step
    def sum_up(self):
        self.total = sum(self.squares)
        self.next(self.join)

    @step
    def join(self, inputs):
        self.totals = [one.total for one in inputs]
        self.next(self.end)

    @step
    def end(self):
        assert self.totals == [5, 365]


if __name__ == "__main__":
    NestedFlow()
