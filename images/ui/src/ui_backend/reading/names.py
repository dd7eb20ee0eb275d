"""Names and tags for those who have typed the beginning of one."""

from __future__ import annotations

from dataclasses import dataclass

from metadata_service.domain.keys import RunPath
from metadata_service.domain.selection import FieldFilter
from metadata_service.domain.tokens import Grant
from metadata_service.storage.selecting import Parameters
from ui_backend.reading.ancestors import find
from ui_backend.reading.databases import Database
from ui_backend.reading.lists import add_reach

LOOKED_AT = 10_000
"""Tags are those of so many runs, the newest."""


@dataclass(frozen=True)
class Names:
    """Some of the names in their order, and whether there are more."""

    names: list[str]
    more: bool


class Naming:
    """Each method gives the names that pass the filters, whose field is `name`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def flows(self, filters: tuple[FieldFilter, ...], limit: int, offset: int, reach: Grant) -> Names:
        within, parameters = self._within(reach, {})
        inner = f"SELECT r.flow_id AS name FROM flows_v3 AS r WHERE {within}"
        return await self._names(inner, parameters, filters, limit, offset)

    async def runs(
        self, flow_id: str, filters: tuple[FieldFilter, ...], limit: int, offset: int, reach: Grant
    ) -> Names:
        within, parameters = self._within(reach, {"flow": flow_id})
        name = "coalesce(r.run_id, CAST(r.run_number AS TEXT))"
        inner = f"SELECT {name} AS name FROM runs_v3 AS r WHERE r.flow_id = %(flow)s AND {within}"
        return await self._names(inner, parameters, filters, limit, offset)

    async def steps(self, path: RunPath, filters: tuple[FieldFilter, ...], limit: int, offset: int) -> Names:
        """Raises NotFound without the run."""
        scope = await find(self._database, path)
        inner = f"SELECT s.step_name AS name FROM steps_v3 AS s WHERE {scope.condition('s')}"
        return await self._names(inner, scope.parameters, filters, limit, offset)

    async def artifacts(self, path: RunPath, filters: tuple[FieldFilter, ...], limit: int, offset: int) -> Names:
        """Raises NotFound without the run."""
        scope = await find(self._database, path)
        inner = f"SELECT DISTINCT a.name FROM artifact_v3 AS a WHERE {scope.condition('a')}"
        return await self._names(inner, scope.parameters, filters, limit, offset)

    async def tags(self, filters: tuple[FieldFilter, ...], limit: int, offset: int, reach: Grant) -> Names:
        """User tags and system tags of the newest runs."""
        within, parameters = self._within(reach, {})
        inner = f"""
            WITH runs AS (SELECT r.flow_id, r.run_number, r.tags, r.system_tags FROM runs_v3 AS r
                WHERE {within} ORDER BY r.ts_epoch DESC LIMIT {LOOKED_AT})
            SELECT DISTINCT tag.value AS name FROM runs AS r {self._database.dialect.tag_texts}
        """
        return await self._names(inner, parameters, filters, limit, offset)

    def _within(self, reach: Grant, parameters: Parameters) -> tuple[str, Parameters]:
        conditions = self._database.dialect.conditions(parameters)
        add_reach(conditions, self._database.dialect, reach, "r")
        return conditions.sql(), conditions.parameters

    async def _names(
        self, inner: str, parameters: Parameters, filters: tuple[FieldFilter, ...], limit: int, offset: int
    ) -> Names:
        conditions = self._database.dialect.conditions(parameters)
        conditions.add_fields(filters, {"name": "x.name"})
        query = (
            f"SELECT x.name FROM ({inner}) AS x WHERE {conditions.sql()}"
            f" ORDER BY x.name LIMIT {limit + 1} OFFSET {offset}"
        )
        names = [name for (name,) in await self._database.rows(query, conditions.parameters)]
        return Names(names[:limit], len(names) > limit)
