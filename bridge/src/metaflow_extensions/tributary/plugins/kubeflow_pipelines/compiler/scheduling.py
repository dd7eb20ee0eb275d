"""The laws of @schedule and of what a server must be new enough for; `checks` asks them with the others."""

from collections.abc import Iterator

from . import cron
from .capabilities import Feature
from .ir import Flow, Target
from .problem import Problem

# What each option of `create` needs of the server.
WORKFLOW_TIMEOUT = "--workflow-timeout"


def known_schedule(flow: Flow, target: Target) -> Iterator[Problem]:
    """What Kubeflow Pipelines would read in another way, or not at all, is refused."""
    if not isinstance(flow.schedule, str):
        # None, or what is no text: Metaflow takes whatever it is given, and the laws of forms name that.
        return
    try:
        cron.convert(flow.schedule)
    except cron.NotCron as error:
        yield Problem(
            str(flow.place),
            f"@schedule(cron={flow.schedule!r}) is refused: {error}",
            "Write it as minute, hour, day of the month, month and day of the week",
        )


def scheduled_parameters(flow: Flow, target: Target) -> Iterator[Problem]:
    """Nobody gives a scheduled run its parameters."""
    if flow.schedule is None:
        return
    for parameter in flow.parameters:
        if parameter.required:
            yield Problem(
                str(flow.place),
                f"parameter {parameter.name!r} is required, and a run that @schedule starts has nobody to give it",
                "Give it a default",
            )


def new_enough_server(flow: Flow, target: Target) -> Iterator[Problem]:
    """A field that the server does not know would be dropped, and others with it."""
    if target.workflow_timeout is not None and (lack := target.capabilities.lack(Feature.WORKFLOW_TIMEOUT)):
        yield Problem(WORKFLOW_TIMEOUT, lack, "Remove it, or update Kubeflow Pipelines")
