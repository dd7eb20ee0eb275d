"""Whether Kubeflow Pipelines stored what it was given.

2.14.3 takes a platform document that it cannot read for none and says nothing, so what was uploaded is read back.
A server that keeps pipelines as Kubernetes resources writes them anew: fields that hold nothing are gone then, and
large numbers are text.
"""

import json
from collections.abc import Mapping
from typing import Any

Json = dict[str, Any]


def difference(text: str, stored: Json) -> str | None:
    """The first place where the stored documents say something else than `text`, None where there is none.

    `text` is what was uploaded; `stored` is the version's pipeline_spec as the API gives it: both documents, or the
    pipeline's alone where the server found no platform document.
    """
    pipeline, platform = (json.loads(part) for part in text.split("\n---\n"))
    if "pipeline_spec" not in stored:
        found = {"pipeline_spec": stored, "platform_spec": {}}
    else:
        found = {"pipeline_spec": stored["pipeline_spec"], "platform_spec": stored.get("platform_spec") or {}}
    return _differs({"pipeline_spec": pipeline, "platform_spec": platform}, found, "")


def _differs(sent: Any, stored: Any, place: str) -> str | None:
    if isinstance(sent, Mapping) and isinstance(stored, Mapping):
        for key in sorted({*sent, *stored}):
            if found := _differs(sent.get(key), stored.get(key), f"{place}.{key}" if place else key):
                return found
        return None
    if isinstance(sent, list) and isinstance(stored, list) and len(sent) == len(stored):
        for index, (left, right) in enumerate(zip(sent, stored, strict=True)):
            if found := _differs(left, right, f"{place}[{index}]"):
                return found
        return None
    return None if _plain(sent) == _plain(stored) else place


def _plain(value: Any) -> Any:
    """A value as it compares: one that holds nothing, however deep, as none; numbers as their text."""
    if isinstance(value, Mapping):
        kept = {key: plain for key, each in value.items() if (plain := _plain(each)) is not None}
        return kept or None
    if isinstance(value, bool):
        return value or None
    if isinstance(value, int | float):
        return f"{value:.15g}" if value else None
    return value or None
