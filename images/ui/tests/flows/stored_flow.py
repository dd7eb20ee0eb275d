import sys

from metaflow import FlowSpec, Parameter, card, step


class Model:
    def __init__(self):
        self.weights = [1, 2]


class StoredFlow(FlowSpec):
    learning_rate = Parameter("learning-rate", default=0.1)

    @card
    @step
    def start(self):
        for number in range(500):
            print("line", number)
        print("to err", file=sys.stderr)
        self.scores = {"a": [1, 2, 3]}
        self.model = Model()
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    StoredFlow()
