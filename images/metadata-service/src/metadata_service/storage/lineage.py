"""What the rows of a run share, in every store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from metadata_service.domain.keys import Key
from metadata_service.domain.selection import TagFilter


@dataclass(frozen=True)
class Ancestors:
    """What the rows under a run share."""

    flow_id: str
    run_number: int
    run_id: str | None
    tags: msgspec.Raw | None
    system_tags: msgspec.Raw | None
    task_id: int | None = None
    task_name: str | None = None

    @property
    def shown_run(self) -> Key:
        return shown(self.run_number, self.run_id)

    def hold(self, filters: Sequence[TagFilter]) -> bool:
        """Whether the run's tags, which are those of all its objects, are wanted."""
        if not filters:
            return True
        tags = {*tag_list(self.tags), *tag_list(self.system_tags)}
        return all(tag_filter.holds(tags) for tag_filter in filters)


def shown(number: int, name: str | None) -> Key:
    """How the API shows a run or a task: by its name if it has one."""
    return number if name is None else name


def tag_list(tags: msgspec.Raw | None) -> tuple[str, ...]:
    """The tags as text. What is not a list of texts, as an older service let in, counts as no tags."""
    try:
        return msgspec.json.decode(tags, type=tuple[str, ...]) if tags is not None else ()
    except msgspec.ValidationError:
        return ()
