"""Files of small flows, for tests of what their users type."""

_TWO_STEPS = """\
{imports}


{before}class {name}(FlowSpec):
{body}    @step
    def start(self):
        self.next(self.end)

{ending}"""

_ENDING = """\
    @step
    def end(self):
        pass


if __name__ == "__main__":
    {name}()
"""


def two_steps(
    name: str, *, imports: str = "from metaflow import FlowSpec, step", before: str = "", body: str = ""
) -> str:
    """A flow whose first step is followed by its last. `before` are lines before the class, `body` lines in it."""
    return _TWO_STEPS.format(imports=imports, before=before, name=name, body=body, ending=ending(name))


def ending(name: str) -> str:
    """How a flow's file ends: its last step, which does nothing, and what runs the flow."""
    return _ENDING.format(name=name)
