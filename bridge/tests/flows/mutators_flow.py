"""Decorators that the user wrote: around a step, changing a step, and changing the flow by its Config."""

from metaflow import Config, FlowMutator, FlowSpec, Parameter, StepMutator, step, user_step_decorator


@user_step_decorator
def traced(step_name, flow, inputs=None, attributes=None):
    flow.trace = [*getattr(flow, "trace", []), f"before {step_name} {(attributes or {}).get('word', '')}"]
    yield
    flow.trace = [*flow.trace, f"after {step_name}"]


class Watched(StepMutator):
    """Puts a further decorator around the step."""

    def mutate(self, mutable_step):
        mutable_step.add_decorator(traced, deco_kwargs={"word": "watched"})


class Hardened(FlowMutator):
    """Lets every step be tried again, and takes one parameter more."""

    def pre_mutate(self, mutable_flow):
        times = dict(mutable_flow.configs)["settings"].times
        mutable_flow.add_parameter("bonus", Parameter("bonus", default=times * 10))
        for _, mutable_step in mutable_flow.steps:
            mutable_step.add_decorator("retry", deco_kwargs={"times": times, "minutes_between_retries": 0})


@Hardened
class MutatorsFlow(FlowSpec):
    """Keeps which decorators ran around its steps."""

    settings = Config("settings", default_value={"times": 2})

    @traced
    @step
    def start(self):
        self.total = self.bonus + 1
        self.next(self.end)

    @Watched
    @step
    def end(self):
        self.seen = (len(self.trace), self.total)


if __name__ == "__main__":
    MutatorsFlow()
