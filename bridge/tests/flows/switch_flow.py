"""Switches: one in an arm of another, a step on several ways, an arm that leads straight on."""

from metaflow import FlowSpec, step


class SwitchFlow(FlowSpec):
    """Each item that is tried takes another way; a second switch goes on with nothing in between."""

    @step
    def start(self):
        self.seen = ["start"]
        self.size = "large"
        self.next({"small": self.small, "large": self.large, "none": self.merge}, condition="size")

    @step
    def small(self):
        self.seen.append("small")
        self.next(self.shared)

    @step
    def large(self):
        self.seen.append("large")
        self.colour = 2
        self.next({1: self.red, 2: self.shared, 3: self.merge}, condition="colour")

    @step
    def red(self):
        self.seen.append("red")
        self.next(self.shared)

    @step
    def shared(self):
        self.seen.append("shared")
        self.next(self.merge)

    @step
    def merge(self):
        self.seen.append("merge")
        self.more = "no"
        self.next({"yes": self.extra, "no": self.end}, condition="more")

    @step
    def extra(self):
        self.seen.append("extra")
        self.next(self.end)

    @step
    def end(self):
        self.seen.append("end")


if __name__ == "__main__":
    SwitchFlow()
