"""A foreach in a foreach, whose widths differ, with a step before the inner one and one after."""

from metaflow import FlowSpec, step


class NestedForeachFlow(FlowSpec):
    """Counts letters, word by word."""

    @step
    def start(self):
        self.words = ["to", "bee"]
        self.next(self.spell, foreach="words")

    @step
    def spell(self):
        self.word = self.input
        self.next(self.letters)

    @step
    def letters(self):
        self.spelled = list(self.word)
        self.next(self.code, foreach="spelled")

    @step
    def code(self):
        self.place = [(index, value) for index, _, value in self.foreach_stack()]
        self.number = ord(self.input)
        self.next(self.join_letters)

    @step
    def join_letters(self, inputs):
        self.numbers = [one.number for one in inputs]
        self.places = [one.place for one in inputs]
        self.next(self.sum_up)

    @step
    def sum_up(self):
        self.total = sum(self.numbers) * (self.index + 1)
        self.next(self.join_words)

    @step
    def join_words(self, inputs):
        self.totals = [one.total for one in inputs]
        self.places = [one.places for one in inputs]
        self.next(self.end)

    @step
    def end(self):
        self.grand_total = sum(self.totals)


if __name__ == "__main__":
    NestedForeachFlow()
