"""What PostgreSQL and SQLite say in different words.

All questions are written once. Parameters stand as `%(name)s`, a percent sign as `%%`. Everything that both databases
understand in the same sense stands in the questions themselves.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import msgspec

from metadata_service.domain.keys import RunPath, StepPath, TaskPath
from metadata_service.storage import selecting
from metadata_service.storage.postgres import ancestors as postgres_ancestors
from metadata_service.storage.postgres.conditions import Conditions as PostgresConditions
from metadata_service.storage.selecting import Parameters
from metadata_service.storage.sqlite import ancestors as sqlite_ancestors
from metadata_service.storage.sqlite.conditions import Conditions as SqliteConditions

_DIGITS = 5
"""Of the number of an attempt at most. Longer ones are nobody's attempt, and could overflow."""


class Dialect(ABC):
    tags: str
    """All tags of a run `r`, as the conditions of this database take them."""
    user: str
    """The user of a run `r`. It counts only when its client proved to be a person, which it says by a tag."""
    run_ends: str
    """The table of how runs ended, which keeping.py describes."""
    tag_texts: str
    """A table `tag` with a column `value`, to be joined to runs `r`: each of their tags."""

    @abstractmethod
    def some_tag(self, column: str, holds: Sequence[str]) -> str:
        """Some `tag.value` in the column of tags has one of the properties."""

    @abstractmethod
    def conditions(self, parameters: Parameters) -> selecting.Conditions: ...

    @abstractmethod
    def latest(self, first: str, second: str) -> str:
        """The greater of two; one of them when the other is null."""

    @abstractmethod
    def number(self, text: str) -> str:
        """The text as a number, null when it is not one of a few digits."""

    @abstractmethod
    def attempt_tag(self) -> str:
        """The attempt that the tags of metadata `m` name, null when none does."""

    @abstractmethod
    def path_parameters(self, path: RunPath | StepPath | TaskPath) -> Parameters: ...

    @abstractmethod
    def run_is(self, path: RunPath | StepPath | TaskPath) -> str:
        """The condition on a run `r`."""

    @abstractmethod
    def task_is(self, path: TaskPath) -> str:
        """The condition on a task `t`."""

    @abstractmethod
    def raw(self, value: object) -> msgspec.Raw | None:
        """JSON of a column."""


class Postgres(Dialect):
    run_ends = "tributary.run_ends"
    tags = "r.tags || r.system_tags"
    user = "CASE WHEN r.system_tags ? ('user:' || r.user_name) THEN r.user_name END"
    tag_texts = (
        "CROSS JOIN LATERAL jsonb_array_elements_text("
        "(CASE jsonb_typeof(r.tags) WHEN 'array' THEN r.tags ELSE '[]' END)"
        " || (CASE jsonb_typeof(r.system_tags) WHEN 'array' THEN r.system_tags ELSE '[]' END)) AS tag(value)"
    )

    def some_tag(self, column: str, holds: Sequence[str]) -> str:
        tags = f"CASE jsonb_typeof({column}) WHEN 'array' THEN {column} ELSE '[]' END"
        return f"EXISTS (SELECT FROM jsonb_array_elements_text({tags}) AS tag(value) WHERE {' OR '.join(holds)})"

    def conditions(self, parameters: Parameters) -> selecting.Conditions:
        return PostgresConditions(parameters)

    def latest(self, first: str, second: str) -> str:
        return f"GREATEST({first}, {second})"

    def number(self, text: str) -> str:
        return f"(CASE WHEN {text} ~ '^[0-9]{{1,{_DIGITS}}}$' THEN ({text})::integer END)"

    def attempt_tag(self) -> str:
        return f"substring(m.tags::text FROM '\"attempt_id:([0-9]{{1,{_DIGITS}}})\"')::integer"

    def path_parameters(self, path: RunPath | StepPath | TaskPath) -> Parameters:
        return postgres_ancestors.path_parameters(path)

    def run_is(self, path: RunPath | StepPath | TaskPath) -> str:
        return postgres_ancestors.run_is(path.run)

    def task_is(self, path: TaskPath) -> str:
        return postgres_ancestors.task_is(path)

    def raw(self, value: object) -> msgspec.Raw | None:
        assert value is None or isinstance(value, msgspec.Raw)
        return value


class Sqlite(Dialect):
    run_ends = "run_ends"
    tags = "r.tags, r.system_tags"
    user = (
        "CASE WHEN EXISTS (SELECT 1 FROM json_each(r.system_tags) AS tag WHERE tag.value = 'user:' || r.user_name)"
        " THEN r.user_name END"
    )
    tag_texts = (
        "JOIN (SELECT s.flow_id, s.run_number, each.value FROM runs AS s, json_each(s.tags) AS each"
        " WHERE each.type = 'text'"
        " UNION ALL SELECT s.flow_id, s.run_number, each.value FROM runs AS s, json_each(s.system_tags) AS each"
        " WHERE each.type = 'text') AS tag"
        " ON tag.flow_id = r.flow_id AND tag.run_number = r.run_number"
    )

    def some_tag(self, column: str, holds: Sequence[str]) -> str:
        tags = f"CASE json_type({column}) WHEN 'array' THEN {column} ELSE '[]' END"
        return f"EXISTS (SELECT 1 FROM json_each({tags}) AS tag WHERE tag.type = 'text' AND ({' OR '.join(holds)}))"

    def conditions(self, parameters: Parameters) -> selecting.Conditions:
        return SqliteConditions(parameters)

    def latest(self, first: str, second: str) -> str:
        return f"max(coalesce({first}, {second}), coalesce({second}, {first}))"

    def number(self, text: str) -> str:
        digits = f"{text} <> '' AND length({text}) <= {_DIGITS} AND {text} NOT GLOB '*[^0-9]*'"
        return f"(CASE WHEN {digits} THEN CAST({text} AS INTEGER) END)"

    def attempt_tag(self) -> str:
        number = self.number("substr(tag.value, 12)")
        return (
            f"(SELECT {number} FROM json_each(m.tags) AS tag"
            f" WHERE tag.type = 'text' AND substr(tag.value, 1, 11) = 'attempt_id:' AND {number} IS NOT NULL LIMIT 1)"
        )

    def path_parameters(self, path: RunPath | StepPath | TaskPath) -> Parameters:
        return sqlite_ancestors.path_parameters(path)

    def run_is(self, path: RunPath | StepPath | TaskPath) -> str:
        return sqlite_ancestors.run_is(path.run)

    def task_is(self, path: TaskPath) -> str:
        return sqlite_ancestors.task_is(path.task)

    def raw(self, value: object) -> msgspec.Raw | None:
        assert value is None or isinstance(value, str)
        return sqlite_ancestors.raw(value)
