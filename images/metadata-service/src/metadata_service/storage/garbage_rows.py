"""How garbage is kept, in every store."""

from __future__ import annotations

DEFINITION = (
    "flow_id TEXT NOT NULL, kind TEXT NOT NULL, root TEXT NOT NULL, name TEXT NOT NULL,"
    " PRIMARY KEY (flow_id, kind, root, name)"
)

BLOB = "blob"
"""The kind of a blob; its name is the hash."""

RUN = "run"
"""The kind of a run's files; its name is the run's, as paths show it."""
