"""The two kinds of failure that a Job can meet. All else is a defect of this program and ends with a traceback."""


class Refused(Exception):
    """The Job was given something wrong. Trying again does not help; `problems` holds one sentence for each fault."""

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class Away(Exception):
    """The other side is not there yet, busy, or not ready for us. The same call may succeed a moment later."""
