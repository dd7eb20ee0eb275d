"""A foreach over names, with two steps in its body."""

from metaflow import FlowSpec, step


class ForeachBodyFlow(FlowSpec):
    """Greets three people."""

    @step
    def start(self):
        self.greeting = "hello"
        self.people = ["ada", "grace", "edsger"]
        self.next(self.tidy, foreach="people")

    @step
    def tidy(self):
        self.person = self.input.capitalize()
        self.next(self.greet)

    @step
    def greet(self):
        self.line = f"{self.index}: {self.greeting} {self.person} ({self.input})"
        self.next(self.join)

    @step
    def join(self, inputs):
        self.lines = [one.line for one in inputs]
        self.merge_artifacts(inputs, include=["greeting"])
        self.next(self.end)

    @step
    def end(self):
        self.letter = "\n".join([self.greeting, *self.lines])


if __name__ == "__main__":
    ForeachBodyFlow()
