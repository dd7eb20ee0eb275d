"""Runs in a folder of local metadata, as Metaflow keeps it beside a flow: `.metaflow`.

Each object is a file `_meta/_self.json` in a folder of its own, flow/run/step/task; beside that of a task lie its
artifacts, `<attempt>_artifact_<name>.json`, and its metadata, `sysmeta_<field>_<time>.json`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from metadata_service.domain.drafts import BLANK
from metadata_service.domain.keys import Key, is_number
from metadata_service.domain.refusals import Malformed
from metadata_service.transfer.bundles import (
    ArtifactRow,
    Bundle,
    FlowRow,
    Json,
    MetadataRow,
    RunKey,
    RunRow,
    StepRow,
    TaskRow,
)

_META = "_meta"
_SELF = "_self.json"

# Of an artifact. What is missing is the blank that the service records for it.
_TEXTS = ("name", "location", "ds_type", "sha", "type", "content_type", "user_name")


class LocalFolder:
    """A folder `.metaflow`, or one that holds such a folder. Only read. Raises Malformed where there is none."""

    def __init__(self, folder: Path) -> None:
        inner = folder / ".metaflow"
        self._root = inner if inner.is_dir() else folder
        self.address = str(self._root)
        if not self._root.is_dir():
            raise Malformed(f"{folder}: there is no such folder. Name the one that holds .metaflow.")

    def close(self) -> None:
        """Nothing is open."""

    def flows(self) -> list[FlowRow]:
        flows = [(folder.name, _object(folder)) for folder in _objects(self._root)]
        return [FlowRow(name, one.get("user_name"), _time(one), *_tags(one)) for name, one in flows]

    def runs(self) -> list[RunKey]:
        """All runs, in the order in which they were made."""
        found = [
            (_time(_object(run)), RunKey(flow.name, _key(run.name)))
            for flow in _objects(self._root)
            for run in _objects(flow)
        ]
        return [key for _, key in sorted(found, key=lambda one: (one[0], str(one[1])))]

    def read(self, key: RunKey) -> Bundle | None:
        """The run with all that belongs to it, or None. Raises Malformed for a file that is none of Metaflow's."""
        folder = self._root / key.flow_id / str(key.run)
        if not (folder / _META / _SELF).is_file():
            return None
        run = _object(folder)
        bundle = Bundle(key, RunRow(run.get("user_name"), _time(run), None, *_tags(run)), [], [], [], [])
        for step in _objects(folder):
            of_step = _object(step)
            bundle.steps.append(StepRow(step.name, of_step.get("user_name"), _time(of_step), *_tags(of_step)))
            for task in _objects(step):
                _add_task(bundle, step.name, task)
        return bundle


def _add_task(bundle: Bundle, step_name: str, folder: Path) -> None:
    task, key = _object(folder), _key(folder.name)
    bundle.tasks.append(TaskRow(step_name, key, task.get("user_name"), _time(task), None, *_tags(task)))
    for file in sorted((folder / _META).glob("*_artifact_*.json")):
        one = _read(file)
        texts = {field: one.get(field, BLANK) for field in _TEXTS}
        tags, system_tags = _tags(one)
        bundle.artifacts.append(
            ArtifactRow(
                step_name=step_name,
                task=key,
                **texts,
                attempt_id=one["attempt_id"],
                ts_epoch=_time(one),
                tags=tags,
                system_tags=system_tags,
            )
        )
    rows = []
    for file in sorted((folder / _META).glob("sysmeta_*.json")):
        one = _read(file)
        value = one.get("value", BLANK)
        text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
        kind, user = one.get("type") or BLANK, one.get("user_name")
        rows.append(MetadataRow(step_name, key, one["field_name"], text, kind, user, _time(one), *_tags(one)))
    bundle.metadata.extend(sorted(rows, key=lambda row: row.ts_epoch))


def _objects(folder: Path) -> Iterator[Path]:
    """The folders in this one that are objects of Metaflow's; others hold data."""
    return (path for path in sorted(folder.iterdir()) if (path / _META / _SELF).is_file())


def _object(folder: Path) -> dict[str, Any]:
    return _read(folder / _META / _SELF)


def _read(file: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = msgspec.json.decode(file.read_bytes(), type=dict)
    except (msgspec.DecodeError, OSError) as error:
        raise Malformed(f"{file}: {error}. Take the file away, or its run.") from error
    return content


def _key(name: str) -> Key:
    return int(name) if is_number(name) else name


def _time(one: dict[str, Any]) -> int:
    return int(one["ts_epoch"])


def _tags(one: dict[str, Any]) -> tuple[Json, Json]:
    return _json(one.get("tags")), _json(one.get("system_tags"))


def _json(tags: object) -> str:
    return msgspec.json.encode(tags, order="sorted").decode()
