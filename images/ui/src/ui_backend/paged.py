"""Where the built pages are, and where they are shown."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

PREFIX = re.compile(r"(?:/[A-Za-z0-9._~-]+)*/?")
"""A path below which the pages may lie."""


@dataclass(frozen=True)
class PagesSettings:
    folder: Path | None = None
    """Of the built pages; None serves the API alone."""
    prefix: str = ""
    """The path below which a proxy shows them; empty for what the proxy itself says."""
    kubeflow: str = ""
    """Where the pages of Kubeflow Pipelines are, to which runs are linked; empty for no links."""

    def path(self, headers: Mapping[str, str]) -> str:
        """Where a request's browser sees the pages, from / to /; by the setting, else by what the proxy has said."""
        prefix = self.prefix or headers.get("x-forwarded-prefix", "")
        return f"{prefix.rstrip('/')}/" if PREFIX.fullmatch(prefix) else "/"
