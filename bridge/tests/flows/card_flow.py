"""Cards: one by default, one that the step writes itself."""

from metaflow import FlowSpec, card, current, step
from metaflow.cards import Markdown, Table


class CardFlow(FlowSpec):
    """Reports on a few numbers."""

    @card
    @step
    def start(self):
        self.numbers = [2, 3, 5, 7]
        self.next(self.end)

    @card(type="blank", id="report")
    @step
    def end(self):
        self.total = sum(self.numbers)
        current.card.append(Markdown(f"# The sum is {self.total}"))
        current.card.append(Table([[str(number)] for number in self.numbers], headers=["number"]))


if __name__ == "__main__":
    CardFlow()
