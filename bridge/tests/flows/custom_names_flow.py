"""A first and a last step with names of their own, and artifacts merged at a join."""

from metaflow import FlowSpec, Parameter, current, step


class CustomNamesFlow(FlowSpec):
    """Neither step is called start or end."""

    alpha = Parameter("alpha", default=2, type=int)

    @step(start=True)
    def fetch(self):
        self.base = self.alpha * 3
        self.next(self.left, self.right)

    @step
    def left(self):
        self.mine = "left"
        self.same = self.base + 1
        self.next(self.both)

    @step
    def right(self):
        self.mine = "right"
        self.same = self.base + 1
        self.next(self.both)

    @step
    def both(self, inputs):
        self.order = [each.mine for each in sorted(inputs, key=lambda each: each.mine)]
        self.named = inputs.left.mine + inputs.right.mine
        self.mine = "both"
        self.merge_artifacts(inputs)
        self.next(self.report)

    @step(end=True)
    def report(self):
        self.text = f"{current.step_name}: {self.named} {self.same} {self.base} {self.alpha}"


if __name__ == "__main__":
    CustomNamesFlow()
