"""What Metaflow's own checks say of a graph, as one of our problems: with its place, and with what to do."""

import re

from .. import compat, support
from .attributes import of_flow
from .ir import Flow
from .problem import Problem

# How the sentences of Metaflow's checks begin that say what to do.
_REMEDY = re.compile(r"(Add|Break|Choose|Either|Ensure|Fix|Just remove|Make sure|Please|Remove|As a workaround)\b")


def problem(flow: Flow, wrong: compat.WrongGraph) -> Problem:
    """Metaflow's words; its last sentence is the remedy where it is one, else ours is."""
    *before, last = re.split(r"(?<=[.:])\s+(?=[A-Z])", wrong.said)
    where = wrong.place or of_flow(flow)
    if _REMEDY.match(last):
        said = " ".join(before) or "Metaflow finds mistakes in it"
        return Problem(where, said.rstrip("."), last.rstrip("."))
    instead = support.GRAPH_REMEDIES.get(wrong.check or "", "Correct the graph")
    return Problem(where, wrong.said.rstrip("."), instead)
