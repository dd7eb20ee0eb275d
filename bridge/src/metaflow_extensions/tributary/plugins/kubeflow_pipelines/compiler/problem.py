"""What keeps a flow from being deployed, as one line."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """Where, what is wrong, what to do."""

    where: str
    wrong: str
    instead: str

    def __str__(self) -> str:
        return f"{self.where}: {self.wrong}. {self.instead}."
