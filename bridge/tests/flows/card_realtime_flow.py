"""Cards while a step runs: two on one step, told apart by their ids, one of them drawn anew as the numbers grow."""

import time

from metaflow import FlowSpec, card, current, step
from metaflow.cards import Markdown, ProgressBar


class CardRealtimeFlow(FlowSpec):
    """Counts, and shows how far it is."""

    @card(type="blank", id="progress", refresh_interval=1)
    @card(type="blank", id="summary", options={"title": "Sum"})
    @step
    def start(self):
        bar = ProgressBar(max=3, label="numbers")
        current.card["progress"].append(bar)
        current.card["progress"].refresh()
        self.numbers = []
        for number in (2, 3, 5):
            self.numbers.append(number)
            bar.update(len(self.numbers))
            current.card["progress"].refresh()
            time.sleep(1)
        current.card["summary"].append(Markdown(f"# The sum is {sum(self.numbers)}"))
        self.next(self.end)

    @step
    def end(self):
        self.total = sum(self.numbers)


if __name__ == "__main__":
    CardRealtimeFlow()
