"""Values on their way into the database."""

from __future__ import annotations

import msgspec

from metadata_service.domain.drafts import Tags


def as_json(tags: Tags) -> str:
    """Tags for a jsonb column. None becomes JSON's null, as upstream stores it: SQL's would blank the tag index."""
    return msgspec.json.encode(tags).decode()
