"""Conditions of lists in the words of PostgreSQL."""

from __future__ import annotations

from metadata_service.domain.selection import TagFilter
from metadata_service.storage import selecting
from metadata_service.storage.selecting import PATTERNS


class Conditions(selecting.Conditions):
    """Conditions for psycopg, on columns of jsonb."""

    def marker(self, name: str) -> str:
        return f"%({name})s"

    def differs(self, column: str, value: str) -> str:
        return f"{column} IS DISTINCT FROM {value}"

    def like(self, column: str, pattern: str) -> str:
        return f"{column} ILIKE {pattern}"

    def tagged(self, tags: str, tag: TagFilter) -> str:
        if tag.mode in ("any", "all"):
            operator = "?|" if tag.mode == "any" else "?&"
            return f"({tags}) {operator} {self.bind(list(tag.tags))}::text[]"
        # Only the service's own bodies are checked to be lists of texts; a database may hold older ones.
        elements = f"CASE jsonb_typeof({tags}) WHEN 'array' THEN {tags} ELSE '[]' END"
        like = [
            f"EXISTS (SELECT FROM jsonb_array_elements_text({elements}) AS tag WHERE tag LIKE {self.bind(pattern)})"
            for pattern in (PATTERNS["co"](part) for part in tag.tags)
        ]
        return f"({(' OR ' if tag.mode == 'likeany' else ' AND ').join(like)})"
