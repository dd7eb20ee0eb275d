"""What a run of ansible-playbook left."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Played:
    """How a playbook ended and what it printed."""

    code: int
    printed: str

    @property
    def changed(self) -> int:
        found = re.search(r"changed=(\d+)", self.printed)
        assert found, self.printed
        return int(found[1])

    @property
    def failure(self) -> str:
        """What the user reads when it fails."""
        found = re.search(
            r"^\[ERROR\]: Task failed: (?:Action|Module) failed: (.*?)^Origin:", self.printed, re.M | re.S
        )
        return found[1].strip() if found else ""

    @property
    def said(self) -> str:
        """All that was printed, with the lines that Ansible breaks put together again."""
        return " ".join(self.printed.split())
