"""Switches whose ways share every step: each of two steps chooses between the same two that follow."""

from metaflow import FlowSpec, step


class SharedStepsFlow(FlowSpec):
    """A climb with two steps on each level, and thirty-two ways to the top."""

    @step
    def start(self):
        self.way = ""
        self.turns = "rllrr"
        self.turn = self.turns[0]
        self.next({"l": self.left_1, "r": self.right_1}, condition="turn")

    @step
    def left_1(self):
        self.way += "l"
        self.turn = self.turns[1]
        self.next({"l": self.left_2, "r": self.right_2}, condition="turn")

    @step
    def right_1(self):
        self.way += "r"
        self.turn = self.turns[1]
        self.next({"l": self.left_2, "r": self.right_2}, condition="turn")

    @step
    def left_2(self):
        self.way += "l"
        self.turn = self.turns[2]
        self.next({"l": self.left_3, "r": self.right_3}, condition="turn")

    @step
    def right_2(self):
        self.way += "r"
        self.turn = self.turns[2]
        self.next({"l": self.left_3, "r": self.right_3}, condition="turn")

    @step
    def left_3(self):
        self.way += "l"
        self.turn = self.turns[3]
        self.next({"l": self.left_4, "r": self.right_4}, condition="turn")

    @step
    def right_3(self):
        self.way += "r"
        self.turn = self.turns[3]
        self.next({"l": self.left_4, "r": self.right_4}, condition="turn")

    @step
    def left_4(self):
        self.way += "l"
        self.turn = self.turns[4]
        self.next({"l": self.left_5, "r": self.right_5}, condition="turn")

    @step
    def right_4(self):
        self.way += "r"
        self.turn = self.turns[4]
        self.next({"l": self.left_5, "r": self.right_5}, condition="turn")

    @step
    def left_5(self):
        self.way += "l"
        self.next(self.end)

    @step
    def right_5(self):
        self.way += "r"
        self.next(self.end)

    @step
    def end(self):
        self.result = self.way


if __name__ == "__main__":
    SharedStepsFlow()
