"""A flow that uses the service in all the ways a flow can: foreach, retry, catch, a branch and a parameter."""

from metaflow import FlowSpec, Parameter, catch, current, retry, step


class ServiceFlow(FlowSpec):
    size = Parameter("size", default=3, type=int)

    @step
    def start(self):
        self.next(self.fan, self.risky)

    @step
    def fan(self):
        self.items = list(range(self.size))
        self.next(self.work, foreach="items")

    @retry(times=2, minutes_between_retries=0)
    @step
    def work(self):
        self.attempt = current.retry_count
        if self.input == 1 and current.retry_count == 0:
            self.only_in_the_first_attempt = True
            raise RuntimeError("the first attempt of one task fails")
        self.square = self.input**2
        self.next(self.gather)

    @step
    def gather(self, inputs):
        self.total = sum(one.square for one in inputs)
        self.next(self.join)

    @catch(var="failure", print_exception=False)
    @step
    def risky(self):
        if self.size:
            raise ValueError("caught")
        self.next(self.join)

    @step
    def join(self, inputs):
        self.total = inputs.gather.total
        self.caught = str(inputs.risky.failure)
        self.next(self.end)

    @step
    def end(self):
        self.answer = self.total + 1


if __name__ == "__main__":
    ServiceFlow()
