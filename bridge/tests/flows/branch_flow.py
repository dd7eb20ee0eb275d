"""Branches, one of them split again, and joins that merge what the branches set."""

from metaflow import FlowSpec, step


class BranchFlow(FlowSpec):
    """Each branch works on the same text."""

    @step
    def start(self):
        self.text = "branches"
        self.next(self.count, self.change)

    @step
    def count(self):
        self.length = len(self.text)
        self.scratch = "counted"
        self.next(self.join)

    @step
    def change(self):
        self.scratch = "changed"
        self.next(self.upper, self.backwards)

    @step
    def upper(self):
        self.in_upper = self.text.upper()
        self.next(self.join_changes)

    @step
    def backwards(self):
        self.reversed = self.text[::-1]
        self.next(self.join_changes)

    @step
    def join_changes(self, inputs):
        self.merge_artifacts(inputs)
        self.next(self.join)

    @step
    def join(self, inputs):
        self.scratches = {inputs.count.scratch, inputs.join_changes.scratch}
        self.merge_artifacts(inputs, exclude=["scratch"])
        self.next(self.end)

    @step
    def end(self):
        self.summary = f"{self.text} {self.length} {self.in_upper} {self.reversed} {sorted(self.scratches)}"


if __name__ == "__main__":
    BranchFlow()
