"""What is wrong with the user's words, found before anything is made. Needs neither a cluster nor Helm."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft7Validator, ValidationError

from cluster.errors import Refused
from cluster.providers import provider_of
from cluster.settings import Settings

CHART = Path(__file__).parents[3] / "charts" / "tributary"


def refuse_problems(settings: Settings, *, profile: str, own_values: Sequence[Path]) -> None:
    """Raises Refused with every problem that is found."""
    if found := [*_profile(profile), *_values(profile, own_values), *_context(settings)]:
        raise Refused("\n".join(found))


def _profile(profile: str) -> Iterator[str]:
    known = sorted(file.stem for file in (CHART / "profiles").glob("*.yaml"))
    if profile not in known:
        yield f"PROFILE: the chart has no profile {profile!r}. Use one of {', '.join(known)}."


def _values(profile: str, files: Sequence[Path]) -> Iterator[str]:
    """All files against the chart's schema, laid over the chart's own values and the profile as helm lays them."""
    under = [CHART / "values.yaml", CHART / "profiles" / f"{profile}.yaml"]
    laid = _merged_all(yaml.safe_load(file.read_text()) for file in under if file.is_file())
    read: dict[Path, dict[str, Any]] = {}
    for file in files:
        if not file.is_file():
            yield f"VALUES: no such file: {file}. Give the path of a YAML file."
            continue
        try:
            values = yaml.safe_load(file.read_text())
        except (yaml.YAMLError, UnicodeDecodeError) as reason:
            yield f"VALUES: {file} is no YAML: {' '.join(str(reason).split())}. Mend it."
            continue
        if values is not None and not isinstance(values, dict):
            yield f"VALUES: {file} is no mapping of values. Look at charts/tributary/values.yaml."
            continue
        read[file] = values or {}
    if len(read) < len(set(files)):
        # One without the others may be wrong where all together are right.
        return
    schema = json.loads((CHART / "values.schema.json").read_text())
    for error in Draft7Validator(schema).iter_errors(_merged_all([laid, *read.values()])):
        place = ".".join(map(str, error.absolute_path)) or "top"
        said_by = ", ".join(str(file) for file in _that_say(error, read))
        yield f"VALUES: {said_by}, at {place}: {error.message}. Look at charts/tributary/values.yaml."


def _that_say(error: ValidationError, read: dict[Path, dict[str, Any]]) -> list[Path]:
    """The last of the files that has the place of the error, which is what counts; all of them when none has it."""
    place = tuple(error.absolute_path)
    places = [place]
    if error.validator == "additionalProperties":
        schema: Any = error.schema
        given: Any = error.instance
        places = [(*place, key) for key in given if key not in schema.get("properties", {})]
    last = next((file for file, values in reversed(read.items()) if any(_has(values, each) for each in places)), None)
    return list(read) if last is None else [last]


def _has(values: Any, place: Sequence[str | int]) -> bool:
    if not place:
        return True
    return isinstance(values, Mapping) and place[0] in values and _has(values[place[0]], place[1:])


def _context(settings: Settings) -> Iterator[str]:
    if not settings.context:
        return
    if found := provider_of(settings).problems():
        yield from found
    elif not settings.context.startswith("kind-") and not settings.registry:
        yield (
            f"CONTEXT: {settings.context!r} is no kind cluster, so images cannot be loaded into it. "
            "Set REGISTRY to a registry that it pulls from."
        )


def _merged(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Both, `over` first where they meet, as helm merges values: a null takes a default away."""
    laid = {
        key: _merged(under[key], value) if isinstance(value, Mapping) and isinstance(under.get(key), Mapping) else value
        for key, value in over.items()
    }
    return {key: value for key, value in {**under, **laid}.items() if value is not None or key not in over}


def _merged_all(values: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    return functools.reduce(_merged, values, {})
