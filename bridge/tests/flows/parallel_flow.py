"""A gang in a foreach: steps whose pods start together, of a size that is known only when the flow runs."""

from metaflow import FlowSpec, current, parallel, retry, step


class ParallelFlow(FlowSpec):
    """Adds up shares of numbers, each share in a node of a gang; the second gang's first attempt fails."""

    @step
    def start(self):
        self.teams = [[1, 2, 3, 4, 5], [10, 20]]
        self.next(self.gather, foreach="teams")

    @step
    def gather(self):
        self.numbers = self.input
        self.next(self.add_up, num_parallel=2 + len(self.numbers) // 5)

    @retry(times=1, minutes_between_retries=0)
    @parallel
    @step
    def add_up(self):
        node = current.parallel
        if len(self.numbers) == 2 and node.node_index == 1 and current.retry_count == 0:
            raise ValueError("the last node gives up once")
        self.share = self.numbers[node.node_index :: node.num_nodes]
        self.total = sum(self.share)
        self.place = (node.node_index, node.num_nodes, current.is_parallel, current.task_id == node.control_task_id)
        self.next(self.reunite)

    @step
    def reunite(self, inputs):
        self.shares = [one.share for one in inputs]
        self.total = sum(one.total for one in inputs)
        self.places = [one.place for one in inputs]
        self.merge_artifacts(inputs, include=["numbers"])
        self.next(self.join)

    @step
    def join(self, inputs):
        self.totals = [one.total for one in inputs]
        self.shares = [one.shares for one in inputs]
        self.places = [one.places for one in inputs]
        self.next(self.end)

    @step
    def end(self):
        self.grand_total = sum(self.totals)


if __name__ == "__main__":
    ParallelFlow()
