"""How the tags of a run change."""

from __future__ import annotations

from metadata_service.domain.drafts import TagChange
from metadata_service.domain.refusals import Protected


def changed_tags(tags: tuple[str, ...], system_tags: tuple[str, ...], change: TagChange) -> tuple[str, ...]:
    """The tags after the change, in their order. Raises Protected for removing a system tag."""
    removed = set(change.tags_to_remove)
    if protected := sorted(removed.intersection(system_tags)):
        raise Protected(f"Cannot remove system tags: {', '.join(protected)}. Remove only tags that a user added.")
    kept = [tag for tag in tags if tag not in removed]
    added = [tag for tag in change.tags_to_add if tag not in system_tags]
    return tuple(dict.fromkeys([*kept, *added]))
