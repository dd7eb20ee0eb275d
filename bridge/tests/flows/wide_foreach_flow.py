"""A foreach with twelve splits: the order of a join's inputs is that of the splits, not that of their names."""

from metaflow import FlowSpec, step


class WideForeachFlow(FlowSpec):
    """Squares a dozen numbers."""

    @step
    def start(self):
        self.numbers = list(range(100, 112))
        self.next(self.square, foreach="numbers")

    @step
    def square(self):
        self.result = self.input**2
        self.next(self.join)

    @step
    def join(self, inputs):
        self.results = [one.result for one in inputs]
        self.next(self.end)

    @step
    def end(self):
        self.total = sum(self.results)


if __name__ == "__main__":
    WideForeachFlow()
