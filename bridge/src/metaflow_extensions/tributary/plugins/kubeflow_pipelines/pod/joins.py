"""Where a split or a foreach ends: its joins, by walking the flow's graph. The compiler asks for them too."""

from collections.abc import Callable, Iterable


def joins(split: str, kind: Callable[[str], str], exits: Callable[[str], Iterable[str]]) -> tuple[str, ...]:
    """The joins at which what this split or foreach step began may end, by name. There are several where switches
    choose among them.

    `kind` is a step's kind in Metaflow's words, and "linear" both for a step that starts a gang and for the join that
    ends it; `exits` are the steps that may follow it.
    """
    found: dict[str, None] = {}
    seen: set[tuple[str, int]] = set()
    waiting = [(name, 1) for name in exits(split)]
    while waiting:
        name, open_splits = waiting.pop()
        if (name, open_splits) in seen:
            continue
        seen.add((name, open_splits))
        if kind(name) == "join":
            open_splits -= 1
        if open_splits == 0:
            found[name] = None
            continue
        opened = open_splits + (1 if kind(name) in ("split", "foreach") else 0)
        waiting += [(following, opened) for following in exits(name) if following != name]
    return tuple(sorted(found))
