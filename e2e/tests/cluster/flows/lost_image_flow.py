"""A step whose image is nowhere."""

from metaflow import FlowSpec, kubernetes, step


class LostImageFlow(FlowSpec):
    @step
    def start(self):
        self.base = 20
        self.next(self.lost)

    @kubernetes(image="localhost/tributary/nowhere:1")
    @step
    def lost(self):
        self.result = self.base + 1
        self.next(self.end)

    @step
    def end(self):
        self.report = f"result {self.result}"


if __name__ == "__main__":
    LostImageFlow()
