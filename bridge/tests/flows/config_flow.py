"""Configs of every kind: in decorators, in a parameter's default, and read by steps."""

from metaflow import Config, FlowSpec, Parameter, config_expr, environment, resources, retry, step


def pairs(text):
    return dict(line.split("=") for line in text.splitlines())


def of_the_moment(context):
    return {"flow": context.flow_name}


class ConfigFlow(FlowSpec):
    """Keeps what its Configs say where it runs."""

    settings = Config("settings", default_value={"shared": 64, "retries": 1, "level": "low", "sizes": [1, 2]})
    note = Config("a-note", default_value="plain, {{kept}} as it is", plain=True)
    parsed = Config("parsed", default_value="a=1\nb=ü", parser=pairs)
    computed = Config("computed", default_value=of_the_moment)
    nothing = Config("nothing")
    size = Parameter("size", default=config_expr("settings.sizes[1]"), type=int)

    @retry(times=config_expr("settings.retries"), minutes_between_retries=0)
    @resources(shared_memory=config_expr("settings.shared"))
    @step
    def start(self):
        self.level = self.settings.level
        self.sum = self.size + len(self.settings.sizes)
        self.next(self.end)

    @environment(vars={"LEVEL": settings.level})
    @step
    def end(self):
        self.seen = (dict(self.parsed), self.note, dict(self.computed), self.nothing, self.level, self.sum)


if __name__ == "__main__":
    ConfigFlow()
