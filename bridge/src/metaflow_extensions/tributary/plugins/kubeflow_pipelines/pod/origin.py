"""Which run a run resumes: what `resume` tells the first step, and which tasks are taken over from there."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

# The command group of Metaflow's command line that the runner calls, and users do not.
CLONE_GROUP = "kubeflow-pipelines-internal"

# The note beside a run's parameters that names the run it resumes.
ORIGIN_NOTE = "kubeflow-pipelines-origin.json"


@dataclass(frozen=True)
class Origin:
    """A run by its Metaflow id, and the step from which on everything is to run again; None: only what did not end
    well.
    """

    run: str
    step_to_rerun: str | None = None

    def to_text(self) -> str:
        """JSON, for an option's or a pipeline input's value."""
        return json.dumps({"run": self.run, "step_to_rerun": self.step_to_rerun})

    @classmethod
    def from_text(cls, text: str) -> "Origin | None":
        """The origin out of its text; None when it is empty, which it is in a run that starts anew."""
        if not text:
            return None
        said = json.loads(text)
        return cls(said["run"], said["step_to_rerun"])


def steps_to_rerun(following: Mapping[str, Iterable[str]], first: str | None) -> frozenset[str]:
    """The step and all that come after it; none without one. `following` gives the steps that a step goes on to."""
    found: set[str] = set()
    waiting = [] if first is None else [first]
    while waiting:
        step = waiting.pop()
        if step not in found:
            found.add(step)
            waiting.extend(following[step])
    return frozenset(found)
