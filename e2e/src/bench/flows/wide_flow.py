"""A foreach as wide as it is asked to be."""

from metaflow import FlowSpec, Parameter, step


class WideFlow(FlowSpec):
    """Doubles many numbers."""

    width = Parameter("width", type=int, default=1000, help="how many splits")

    @step
    def start(self):
        self.numbers = list(range(self.width))
        self.next(self.double, foreach="numbers")

    @step
    def double(self):
        self.doubled = 2 * self.input
        self.next(self.join)

    @step
    def join(self, inputs):
        self.total = sum(one.doubled for one in inputs)
        self.next(self.end)

    @step
    def end(self):
        assert self.total == self.width * (self.width - 1)


if __name__ == "__main__":
    WideFlow()
