"""Steps one after another, with resources and variables of their own."""

import os

from metaflow import FlowSpec, current, environment, resources, step


class LinearFlow(FlowSpec):
    """What a step sets, the next one reads."""

    @step
    def start(self):
        self.numbers = [3, 1, 2]
        self.next(self.sort_the_numbers)

    @environment(vars={"ORDER": "descending", "FACTOR": "10"})
    @resources(cpu=0.2, memory=200)
    @step
    def sort_the_numbers(self):
        factor = int(os.environ["FACTOR"])
        self.numbers = sorted((number * factor for number in self.numbers), reverse=os.environ["ORDER"] == "descending")
        self.place = f"{current.flow_name}/{current.step_name}, attempt {current.retry_count}"
        self.next(self.end)

    @step
    def end(self):
        self.order_is_gone = "ORDER" not in os.environ
        self.largest = self.numbers[0]
        print(f"the largest is {self.largest}")


if __name__ == "__main__":
    LinearFlow()
