"""Conditions of lists in the words of SQLite."""

from __future__ import annotations

from metadata_service.domain.selection import TagFilter
from metadata_service.storage import selecting


class Conditions(selecting.Conditions):
    """Conditions for sqlite3. Tags are texts of JSON; the SQL of a row's tags is a list of such columns."""

    def marker(self, name: str) -> str:
        return f":{name}"

    def differs(self, column: str, value: str) -> str:
        return f"{column} IS NOT {value}"

    def like(self, column: str, pattern: str) -> str:
        return f"ilike({column}, {pattern})"

    def tagged(self, tags: str, tag: TagFilter) -> str:
        joined = " OR " if tag.mode in ("any", "likeany") else " AND "
        holds = "tag.value = {0}" if tag.mode in ("any", "all") else "instr(tag.value, {0}) > 0"
        return f"({joined.join(self._some(tags, holds.format(self.bind(text))) for text in tag.tags)})"

    @staticmethod
    def _some(tags: str, holds: str) -> str:
        """Whether it holds for some tag in one of the columns. What is not a list of texts has no tags."""
        return "({})".format(
            " OR ".join(
                f"EXISTS (SELECT 1 FROM json_each(CASE json_type({column}) WHEN 'array' THEN {column} ELSE '[]' END)"
                f" AS tag WHERE tag.type = 'text' AND {holds})"
                for column in tags.split(", ")
            )
        )
