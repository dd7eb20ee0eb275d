"""A flow of one step, which is its first and its last."""

from metaflow import FlowSpec, Parameter, step


class SingleStepFlow(FlowSpec):
    """The only step needs no mark."""

    alpha = Parameter("alpha", default=0.5, type=float)

    @step
    def only(self):
        self.half = self.alpha / 2


if __name__ == "__main__":
    SingleStepFlow()
