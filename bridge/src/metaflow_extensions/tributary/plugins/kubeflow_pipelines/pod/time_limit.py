"""How long a step with @timeout may take: its process, and the pod around it."""

# Metaflow raises @timeout inside the step's process. Code that cannot be interrupted there is killed this much later.
GRACE_SECONDS = 60.0

_HOUR = 3600


def pod_seconds(timeout: int | None) -> int | None:
    """The deadline of a pod that runs one step, in seconds; None for a step without @timeout.

    It is for a pod whose image cannot be pulled, and for one that hangs before or after the step, so it is far from
    what a working pod needs: an hour or two more than @timeout, which the runner enforces itself. In whole hours, for
    steps with different limits to share one component.
    """
    return None if timeout is None else (timeout // _HOUR + 2) * _HOUR
