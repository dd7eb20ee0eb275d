"""A switch in a foreach, its arms straight into the join: one holds a foreach, one a step that follows itself."""

from metaflow import FlowSpec, current, step


class SwitchInForeachFlow(FlowSpec):
    """Every item takes another way to the same join."""

    @step
    def start(self):
        self.kinds = ["wide", "deep", "plain"]
        self.next(self.pick, foreach="kinds")

    @step
    def pick(self):
        self.kind = self.input
        self.next({"wide": self.spread, "deep": self.dig, "plain": self.plain}, condition="kind")

    @step
    def spread(self):
        self.letters = ["a", "b"]
        self.next(self.letter, foreach="letters")

    @step
    def letter(self):
        self.found = f"{self.input}{self.index}"
        self.stack = [tuple(frame) for frame in self.foreach_stack()]
        self.next(self.gather)

    @step
    def gather(self, inputs):
        self.found = ",".join(each.found for each in inputs)
        self.merge_artifacts(inputs, include=["kind"])
        self.next(self.done)

    @step
    def dig(self):
        self.depth = getattr(self, "depth", 0) + 1
        self.found = f"{self.input} {self.index} {self.depth}"
        self.further = "again" if self.depth < 3 else "out"
        self.next({"again": self.dig, "out": self.done}, condition="further")

    @step
    def done(self):
        self.place = f"{current.step_name} {self.index}"
        self.next(self.join)

    @step
    def plain(self):
        self.found = "plain"
        self.place = f"{current.step_name} {self.index}"
        self.next(self.join)

    @step
    def join(self, inputs):
        self.found = sorted((each.kind, each.found, each.place) for each in inputs)
        self.next(self.end)

    @step
    def end(self):
        self.result = self.found


if __name__ == "__main__":
    SwitchInForeachFlow()
