"""The two errors this package knows besides its own bugs: the user's, and the world's."""

from __future__ import annotations

from collections.abc import Iterable


class Refused(Exception):
    """What the user asked for cannot be done as it stands. Holds every problem, one sentence each."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


class BuildFailed(Exception):
    """A command of the build failed. The text is one sentence that names the command's purpose and its log."""
