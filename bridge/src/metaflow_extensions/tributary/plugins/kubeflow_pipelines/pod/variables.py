"""The environment of the tasks that run in this pod, one after the other."""

import os

from ..record import Deployment
from . import commands


class Variables:
    """The variables of this process. Those that a step brings, @environment's among them, end with its task."""

    def __init__(self, deployment: Deployment, run: str) -> None:
        self._deployment = deployment
        self._run = run
        self._before = dict(os.environ)
        self._brought: frozenset[str] = frozenset()
        self.step = ""

    def enter(self, step: str) -> None:
        """Set what the step's tasks see. What they inherit from the container is as it was when this was made."""
        brought = commands.environment(self._deployment, step, self._run)
        if (own := brought.get("PYTHONPATH")) is not None:
            # The code package stays importable, and comes first as it does everywhere else.
            brought["PYTHONPATH"] = os.pathsep.join(filter(None, (self._before.get("PYTHONPATH"), own)))
        for name in self._brought - brought.keys():
            if name in self._before:
                os.environ[name] = self._before[name]
            else:
                os.environ.pop(name, None)
        os.environ.update(brought)
        self._brought = frozenset(brought)
        self.step = step
