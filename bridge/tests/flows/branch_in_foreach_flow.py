"""Branches in the body of a foreach."""

from metaflow import FlowSpec, step


class BranchInForeachFlow(FlowSpec):
    """Looks at each number from two sides."""

    @step
    def start(self):
        self.numbers = [7, 12]
        self.next(self.look, foreach="numbers")

    @step
    def look(self):
        self.number = self.input
        self.next(self.is_even, self.half)

    @step
    def is_even(self):
        self.even = self.number % 2 == 0
        self.next(self.join_sides)

    @step
    def half(self):
        self.halved = self.input / 2
        self.next(self.join_sides)

    @step
    def join_sides(self, inputs):
        self.merge_artifacts(inputs)
        self.index_seen = self.index
        self.next(self.join)

    @step
    def join(self, inputs):
        self.found = [(one.index_seen, one.number, one.even, one.halved) for one in inputs]
        self.next(self.end)

    @step
    def end(self):
        self.sum_of_halves = sum(halved for *_, halved in self.found)


if __name__ == "__main__":
    BranchInForeachFlow()
