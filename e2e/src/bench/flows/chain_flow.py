"""Six steps one after the other that do next to nothing: what is measured is what a step costs."""

from metaflow import FlowSpec, step


class ChainFlow(FlowSpec):
    """Counts to six."""

    @step
    def start(self):
        self.count = 1
        self.next(self.second)

    @step
    def second(self):
        self.count += 1
        self.next(self.third)

    @step
    def third(self):
        self.count += 1
        self.next(self.fourth)

    @step
    def fourth(self):
        self.count += 1
        self.next(self.fifth)

    @step
    def fifth(self):
        self.count += 1
        self.next(self.end)

    @step
    def end(self):
        assert self.count == 5


if __name__ == "__main__":
    ChainFlow()
