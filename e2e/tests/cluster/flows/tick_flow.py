from metaflow import FlowSpec, Parameter, schedule, step


@schedule(cron="0 * * * * ?")
class TickFlow(FlowSpec):
    """Runs by itself once a minute."""

    width = Parameter("width", default=3)

    @step
    def start(self):
        self.doubled = self.width * 2
        self.next(self.end)

    @step
    def end(self):
        self.text = f"ticked {self.doubled}"


if __name__ == "__main__":
    TickFlow()
