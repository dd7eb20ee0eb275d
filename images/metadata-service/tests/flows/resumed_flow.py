"""A flow that fails in its middle when it is told to, to be resumed from there."""

import os

from metaflow import FlowSpec, step


class ResumedFlow(FlowSpec):
    @step
    def start(self):
        self.made_by = os.environ["MAKER"]
        self.next(self.shaky, foreach="letters")

    letters = ["a", "b"]

    @step
    def shaky(self):
        self.letter = self.input
        if os.environ["MAKER"] == "first" and self.input == "b":
            raise RuntimeError("told to fail")
        self.next(self.join)

    @step
    def join(self, inputs):
        self.letters_seen = [one.letter for one in inputs]
        self.merge_artifacts(inputs, include=["made_by"])
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    ResumedFlow()
