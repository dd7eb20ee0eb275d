"""Where each step leads on its own level: past the inside of a split or foreach to what follows it, and never out of
the one that it stands in.
"""

from collections.abc import Collection, Iterable, Mapping

from ..pod.joins import joins
from .ir import Flow


class Ways:
    """The ways of a flow. `to` has the steps that may follow a step on its level; of a split or foreach, its joins.

    A join that ends the split or foreach around a step is among them, and stands outside: whoever asks says so by
    `until`, the steps at which ways end.
    """

    def __init__(self, flow: Flow) -> None:
        def kind(name: str) -> str:
            return (
                "linear" if any(flow.steps[each].gang for each in flow.steps[name].previous) else flow.steps[name].kind
            )

        self.to: Mapping[str, tuple[str, ...]] = {
            step.name: joins(step.name, kind, lambda name: flow.steps[name].exits)
            if step.kind in ("split", "foreach")
            else step.exits
            for step in flow.steps.values()
        }
        self._rank = {name: rank for rank, name in enumerate(flow.steps)}
        self._after: dict[frozenset[str], dict[str, frozenset[str]]] = {}

    def meeting(self, step: str, until: frozenset[str]) -> str | None:
        """The first step that follows whatever way is taken: the immediate post-dominator. None when ways end first."""
        known = self._after.setdefault(until, {})
        for name in reversed(self.sorted(self.reach([step], until))):
            if name not in known:
                found = [known.get(following, frozenset()) for following in self.to[name]]
                known[name] = frozenset.intersection(*found) | {name} if found else frozenset({name})
        # The nearest is the one that all the others come after.
        return max(known[step] - {step}, key=lambda name: len(known[name]), default=None)

    def reach(self, names: Iterable[str], until: Collection[str]) -> set[str]:
        """These steps and all that may follow them before ways end."""
        found: set[str] = set()
        waiting = [name for name in names if name not in until]
        while waiting:
            name = waiting.pop()
            if name not in found:
                found.add(name)
                waiting += [following for following in self.to[name] if following not in until]
        return found

    def shared(self, names: Iterable[str], until: Collection[str]) -> set[str]:
        """What several of these steps lead to, and those of them that others lead to."""
        met: set[str] = set()
        shared: set[str] = set()
        for name in names:
            found = self.reach([name], until)
            shared |= met & found
            met |= found
        return shared

    def sorted(self, names: Iterable[str]) -> list[str]:
        """The steps, each after those that may run before it."""
        return sorted(names, key=self._rank.__getitem__)
