"""A foreach and a split that end at one join or another, as switches choose."""

from metaflow import FlowSpec, current, step


class SeveralJoinsFlow(FlowSpec):
    """All splits, and all branches, take the same way."""

    @step
    def start(self):
        self.kind = "words"
        self.items = ["x", "yy"]
        self.next(self.look, foreach="items")

    @step
    def look(self):
        self.next({"words": self.word, "numbers": self.number}, condition="kind")

    @step
    def word(self):
        self.found = f"{self.input} {self.index}"
        self.next(self.join_words)

    @step
    def number(self):
        self.found = int(self.input)
        self.next(self.join_numbers)

    @step
    def join_words(self, inputs):
        self.found = [each.found for each in inputs]
        self.next(self.count)

    @step
    def join_numbers(self, inputs):
        self.found = sum(each.found for each in inputs)
        self.next(self.fork)

    @step
    def count(self):
        self.found = len(self.found)
        self.next(self.fork)

    @step
    def fork(self):
        self.way = "short" if self.found == 2 else "long"
        self.next(self.left, self.right)

    @step
    def left(self):
        self.next({"short": self.left_short, "long": self.left_long}, condition="way")

    @step
    def right(self):
        self.next({"short": self.right_short, "long": self.right_long}, condition="way")

    @step
    def left_short(self):
        self.seen = current.step_name
        self.next(self.join_short)

    @step
    def right_short(self):
        self.seen = current.step_name
        self.next(self.join_short)

    @step
    def left_long(self):
        self.seen = current.step_name
        self.next(self.join_long)

    @step
    def right_long(self):
        self.seen = current.step_name
        self.next(self.join_long)

    @step
    def join_short(self, inputs):
        self.seen = sorted(each.seen for each in inputs)
        self.next(self.end)

    @step
    def join_long(self, inputs):
        self.seen = []
        self.next(self.end)

    @step
    def end(self):
        self.result = self.seen


if __name__ == "__main__":
    SeveralJoinsFlow()
